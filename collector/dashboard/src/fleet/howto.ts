// The lines that bring a first host into the fleet. The collector listens on loopback only, so a host
// elsewhere comes in through a tunnel from the collector's machine.

/** The collector's port when its agents are told nothing else. */
const USUAL_PORT = '6121';
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

export interface HowTo {
  /** On any machine: each one reaches the collector at its own loopback. */
  agent: string;
  tunnel: string;
}

/**
 * From the address of the page. Behind a proxy it does not say where the collector listens; then the
 * lines name the usual port.
 */
export function howTo(page: string): HowTo {
  const { hostname, port } = new URL(page);
  const own = LOOPBACK.test(hostname) && port !== '' ? port : USUAL_PORT;
  const option = own === USUAL_PORT ? '' : ` --collector http://127.0.0.1:${own}`;
  return {
    agent: `herdbook-agent${option}`,
    tunnel: `ssh -N -R ${own}:127.0.0.1:${own} gpu-2`,
  };
}
