// Starts the real programs for a story, on free ports and in folders of their own, and ends them.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const DEBUG = fileURLToPath(new URL('../../target/debug/', import.meta.url));
const PROGRAMS = process.env.HERDBOOK_PROGRAMS ?? DEBUG;
const READY_MS = 60_000;
const END_MS = 20_000;
/** The last of what a program said, for the one who looks for a fault. */
const LOG_MOST = 20_000;
/** Where a collector listens: the first of its ports. */
const LISTENS = /(https?:\/\/127\.0\.0\.1:\d+)/;
/** What an agent logs first of all. */
const HAS_KEY = /this agent's key is (sha256:[\w-]{43})/;

/** What is meant for another collector does not reach this one. */
const othersOut = (env) =>
  Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('HERDBOOK_')));

export class Program {
  #child;
  #log = '';
  #told = null;

  /** Starts it and waits until it tells what `ready` looks for. */
  static async start(name, args = [], ready = LISTENS) {
    const program = new Program();
    const child = spawn(join(PROGRAMS, name), args, {
      env: othersOut(process.env),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    program.#child = child;
    let timer;
    const told = new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`${name} is not ready: ${program.log}`)), READY_MS);
      child.on('error', reject);
      child.on('exit', (code) => reject(new Error(`${name} ended with ${code}: ${program.log}`)));
      const read = (chunk) => {
        program.#log = (program.#log + chunk).slice(-LOG_MOST);
        const found = ready.exec(program.#log);
        if (found) resolve(found[1]);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
    });
    try {
      program.#told = await told;
    } catch (error) {
      await program.end('SIGKILL');
      throw error;
    } finally {
      clearTimeout(timer);
    }
    return program;
  }

  get log() {
    return this.#log;
  }

  /** The address of its page. */
  get url() {
    return `${this.#told}/`;
  }

  /** What an agent's key is known by. */
  get fingerprint() {
    return this.#told;
  }

  get pid() {
    return this.#child.pid;
  }

  /** Ends it, the hard way where it does not end by itself. */
  async end(signal = 'SIGTERM') {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGKILL'), END_MS);
    await exited;
    clearTimeout(timer);
  }
}

/** A collector in a folder that can be started anew where it was. */
export class Collector {
  #dir;
  #program;
  #args;

  /** `settings` is what its configuration file says. */
  static async start(args = [], settings = null) {
    const collector = new Collector();
    collector.#dir = await mkdtemp(join(tmpdir(), 'herdbook-page-'));
    collector.#args = args;
    try {
      if (settings !== null) {
        const file = join(collector.#dir, 'collector.toml');
        await writeFile(file, settings, { mode: 0o600 });
        collector.#args = [...args, '--config', file];
      }
      await collector.#begin('127.0.0.1:0');
    } catch (error) {
      await rm(collector.#dir, { recursive: true, force: true });
      throw error;
    }
    return collector;
  }

  async #begin(listen) {
    const args = ['--listen', listen, '--data-dir', join(this.#dir, 'data'), ...this.#args];
    this.#program = await Program.start('herdbook-collector', args);
  }

  get url() {
    return this.#program.url;
  }

  get dir() {
    return this.#dir;
  }

  get log() {
    return this.#program.log;
  }

  /** What it answers to a command on its own machine, where whoever has its folder is an admin. */
  async command(...args) {
    const program = join(PROGRAMS, 'herdbook-collector');
    const all = ['--data-dir', join(this.#dir, 'data'), ...args];
    const { stdout } = await promisify(execFile)(program, all, { env: othersOut(process.env) });
    return stdout;
  }

  async kill() {
    await this.#program.end('SIGKILL');
  }

  /** The same collector again: the same port, the same folder. */
  async again() {
    await this.#begin(new URL(this.#program.url).host);
  }

  async end() {
    await this.#program.end();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** The real agent of this machine, that knows a collector and has no join line for it. */
export async function startAgent(collector, name) {
  const [, url, pins] = /'(\S+) \S+ (\S+)'/.exec(await collector.command('token', 'create'));
  const dir = await mkdtemp(join(tmpdir(), 'herdbook-agent-'));
  const remembered = JSON.stringify({ url, pins: pins.split(',') });
  await writeFile(join(dir, 'collector'), remembered, { mode: 0o600 });
  const args = ['--state-dir', dir, '--name', name];
  try {
    const program = await Program.start('herdbook-agent', args, HAS_KEY);
    return {
      program,
      end: async () => {
        await program.end();
        await rm(dir, { recursive: true, force: true });
      },
    };
  } catch (error) {
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
}

/** A fleet that exists only on the wire, with its own collector. */
export const startDemo = (args = []) =>
  Program.start('herdbook-demo', ['--listen', '127.0.0.1:0', ...args]);

/** Asks the API as a script would; an answer that is no success is an error. */
export async function api(url, method, path, body) {
  const response = await fetch(new URL(`api/v1/${path}`, url), {
    method,
    headers: body === undefined ? {} : { 'content-type': 'application/json' },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}
