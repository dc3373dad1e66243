// What a finding means and what to do about it. The collector says what it saw; this says what a
// person does then. Every code of the contract has its advice: one that is new does not compile.
import type { FindingCode, HostStatus } from '../../feed/contract.ts';
import { NEW_IDENTITY } from './identity.ts';

export interface Step {
  text: string;
  /** Lines to copy. */
  lines?: string;
}

export interface Advice {
  title: string;
  /** What it means for the work of the host. */
  means: string;
  steps: readonly Step[];
}

const ADVICE: Record<FindingCode, Advice> = {
  duplicate_identity: {
    title: 'Two machines use one identity',
    means:
      'A disk or an image was copied together with the state of its agent. Only one of the two is kept in the history of this host.',
    steps: [
      {
        text: 'On the copy, give the agent an identity of its own:',
        lines: NEW_IDENTITY.join('\n'),
      },
      { text: 'Leave that folder out of images that you make from now on, then remove the clone.' },
    ],
  },
  breaks_limits: {
    title: 'Its agent breaks the limits',
    means:
      'What it sent in error is not used, so something of this host may be missing here. If that comes again and again, the host is kept out for a while.',
    steps: [
      {
        text: 'Compare the versions, and upgrade the agent where they differ:',
        lines: 'herdbook-agent --version',
      },
      {
        text: 'See what its agent says of it:',
        lines: 'journalctl -u herdbook-agent -n 50',
      },
      {
        text: 'If you do not know why it does so: revoke its key under Access, and look who else is on that machine.',
      },
    ],
  },
  gpu_lost: {
    title: 'A GPU fell off the bus',
    means:
      'The driver does not reach it any more. What ran on it has failed, and nothing new can start there.',
    steps: [
      {
        text: 'See what the driver reported; the Xid number tells what failed (79 is the bus):',
        lines: 'sudo dmesg | grep -iE "xid|nvrm"',
      },
      {
        text: 'Drain the host, stop what uses the GPU, and try a reset; often only a reboot, or power off and on, brings it back:',
        lines: 'sudo nvidia-smi --gpu-reset -i INDEX',
      },
      { text: 'If it comes again: look at power cables, risers, seating and temperature.' },
    ],
  },
  driver_mismatch: {
    title: 'NVIDIA driver and library differ',
    means:
      'The driver was upgraded while the old one was still loaded. Programs that run go on; new ones cannot use the GPUs.',
    steps: [
      { text: 'Drain the host and reboot it.', lines: 'sudo reboot' },
      {
        text: 'Without a reboot: stop all that uses the GPUs, the agent too, and load the driver anew.',
        lines:
          'sudo systemctl stop herdbook-agent ollama\nsudo rmmod nvidia_uvm nvidia_drm nvidia_modeset nvidia\nsudo modprobe nvidia',
      },
    ],
  },
  gpu_timeout: {
    title: 'The GPUs do not answer',
    means: 'The driver hangs. Work on the GPUs is most likely stuck as well.',
    steps: [
      {
        text: 'See whether the driver answers others, and what it reported:',
        lines: 'timeout 20 nvidia-smi\nsudo dmesg | grep -iE "xid|nvrm" | tail',
      },
      { text: 'Drain the host. If this stays for more than some minutes, reboot it.' },
    ],
  },
  server_hung: {
    title: 'A model server hangs',
    means: 'Its process lives, but it has not answered for 30 seconds. Nothing is picked there.',
    steps: [
      {
        text: 'Look at its log for the last request and for errors of the GPU:',
        lines: 'journalctl -u UNIT -n 100',
      },
      {
        text: 'Restart it; requests that it still holds are lost:',
        lines: 'sudo systemctl restart UNIT',
      },
    ],
  },
  disk_nearly_full: {
    title: 'A disk is nearly full',
    means: 'Pulling a model will fail, and so may logs and databases on the same disk.',
    steps: [
      {
        text: 'See what takes the space:',
        lines: 'df -h\nsudo du -xh / 2>/dev/null | sort -h | tail -n 20',
      },
      {
        text: 'Remove models that nobody uses; the list of services below tells how large each is:',
        lines: 'ollama rm MODEL',
      },
      { text: 'Or keep models on a larger disk: set OLLAMA_MODELS, and move the folder there.' },
    ],
  },
  memory_pressure: {
    title: 'Memory is short',
    means:
      'Programs stall while the kernel looks for memory. The next step is that it kills one of them.',
    steps: [
      {
        text: 'See who takes it; a model that does not fit into VRAM runs in RAM:',
        lines: 'ps -eo pid,rss,comm --sort=-rss | head\nollama ps',
      },
      { text: 'Unload a model, choose a smaller one or a shorter context, or add memory.' },
    ],
  },
  needs_credential: {
    title: 'A model server wants a credential',
    means:
      'The agent asks without one, so neither the models of this server nor what it does can be told.',
    steps: [
      { text: 'Let requests from 127.0.0.1 through without a credential, …' },
      {
        text: '… or add the server by its URL with a credential: then the collector asks it, and keeps the credential sealed.',
      },
    ],
  },
  exposed_without_credential: {
    title: 'A model server is open to the network',
    means:
      'Whoever reaches this address may use it, pull models and delete them. Within a network of your own this may be what you want.',
    steps: [
      { text: 'Let it listen on loopback alone, if only this host uses it.' },
      {
        text: 'Or let only your own machines reach the port:',
        lines: 'sudo ufw allow from 10.0.0.0/8 to any port PORT proto tcp\nsudo ufw deny PORT/tcp',
      },
      { text: 'Or put a proxy before it that asks for a credential.' },
    ],
  },
  known_vulnerable: {
    title: 'A model server has a known hole',
    means:
      'Its version is known to let whoever may ask it do more than it should. Strangers do not reach it, as far as the agent sees.',
    steps: [{ text: 'Upgrade it to the version that the finding names, or a later one.' }],
  },
  exposed_and_vulnerable: {
    title: 'A model server with a known hole is open to the network',
    means:
      'Anybody who reaches this address can use the hole, without a credential. Act now, even within a network of your own.',
    steps: [
      {
        text: 'Close the port to strangers at once:',
        lines: 'sudo ufw deny PORT/tcp',
      },
      { text: 'Then upgrade the server to the version that the finding names, or a later one.' },
      {
        text: 'Let it listen on loopback alone, or put a proxy before it that asks for a credential.',
      },
    ],
  },
};

/** A finding of a newer collector has no advice here, only the collector's own words. */
export const adviceFor = (code: string): Advice | null =>
  (ADVICE as Partial<Record<string, Advice>>)[code] ?? null;

const LOOK_AT_AGENT: Step = {
  text: 'See whether the agent runs, and what it says:',
  lines: 'systemctl status herdbook-agent\njournalctl -u herdbook-agent -n 50',
};

/** What to do about a host that is not heard; `null` where it is. */
export function adviceForStatus(status: HostStatus): Advice | null {
  switch (status) {
    case 'offline':
      return {
        title: 'This host is offline',
        means:
          'Nothing is picked there, and its numbers are not known. The charts show what it told before.',
        steps: [
          { text: 'See whether the machine is up and reachable.' },
          LOOK_AT_AGENT,
          { text: 'Meant to be away? Mark it as expected absent, and it raises no alert.' },
        ],
      };
    case 'stale':
      return {
        title: 'This host went silent',
        means: 'Its last numbers are too old to be believed. It is offline if that goes on.',
        steps: [LOOK_AT_AGENT],
      };
    case 'unknown':
      return {
        title: 'This host was not heard yet',
        means: 'The collector was started anew and waits for its agent, for a minute at most.',
        steps: [LOOK_AT_AGENT],
      };
    case 'online':
    case 'degraded':
      return null;
  }
}
