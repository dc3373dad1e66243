// The kinds of model servers that the collector knows to ask.
export const KINDS = [
  'ollama',
  'vllm',
  'llamacpp',
  'lmstudio',
  'sglang',
  'openai',
  'generic',
] as const;
