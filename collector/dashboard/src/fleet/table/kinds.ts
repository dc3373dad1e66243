// Kinds of model servers as their makers write them.

const NAMES: Record<string, string> = {
  ollama: 'Ollama',
  vllm: 'vLLM',
  llamacpp: 'llama.cpp',
  lmstudio: 'LM Studio',
  sglang: 'SGLang',
  openai: 'OpenAI API',
};

export const kindName = (kind: string): string => NAMES[kind] ?? kind;
