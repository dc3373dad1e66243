// How a model server that listens on loopback alone can be used from elsewhere, and what that opens.
import { kindName } from '../../fleet/table/kinds.ts';
import type { Advice, Step } from './advice.ts';

export interface Listening {
  kind: string;
  url: string;
  unit: string | null;
  container: string | null;
}

const OPENS =
  'It then answers whoever reaches this port and asks for no credential: keep the port closed to all but your own machines.';

export function adviceForLoopback(service: Listening, hostName: string): Advice {
  const name = kindName(service.kind);
  return {
    title: `This ${name} answers on loopback only`,
    means: `Programs on this host can use it; others, the collector too, cannot reach it. To use it from elsewhere:`,
    steps: [opening(service), { text: OPENS }, tunnel(service, hostName)],
  };
}

function opening(service: Listening): Step {
  const port = portOf(service.url);
  if (service.container !== null) {
    return { text: `Publish the port of its container, with -p ${port}:${port} for instance.` };
  }
  if (service.kind === 'ollama') return ollama(service.unit ?? 'ollama.service', port);
  const settings: Partial<Record<string, string>> = {
    vllm: `--host 0.0.0.0 --port ${port} --api-key KEY`,
    sglang: `--host 0.0.0.0 --port ${port} --api-key KEY`,
    llamacpp: `--host 0.0.0.0 --port ${port} --api-key KEY`,
  };
  const line = settings[service.kind];
  if (line !== undefined) return { text: 'Start it with these options:', lines: line };
  if (service.kind === 'lmstudio') {
    return { text: 'Turn "Serve on Local Network" on in its server settings, and start it anew.' };
  }
  return { text: 'Let it listen on the address of this host instead of 127.0.0.1.' };
}

function ollama(unit: string, port: string): Step {
  const setting = `[Service]\nEnvironment="OLLAMA_HOST=0.0.0.0:${port}"`;
  return {
    text: 'Add a drop-in to its unit, then restart it:',
    lines: `sudo systemctl edit ${quoted(unit)}\n\n${setting}\n\nsudo systemctl restart ${quoted(unit)}`,
  };
}

function tunnel(service: Listening, hostName: string): Step {
  const port = portOf(service.url);
  return {
    text: 'Or leave it as it is, and use a tunnel from the machine that needs it:',
    lines: `ssh -N -L ${port}:127.0.0.1:${port} ${quoted(hostName)}`,
  };
}

export function portOf(url: string): string {
  try {
    return new URL(url).port || '80';
  } catch {
    return 'PORT';
  }
}

const PLAIN = /^[A-Za-z0-9@][A-Za-z0-9@._:-]*$/;

/** Names come from hosts: one that a shell would read as anything but a name is not written into a line. */
const quoted = (name: string): string => (PLAIN.test(name) ? name : 'NAME');
