// Whether a server is open to the network without a credential, as its findings say.
import { shown } from '../escape.ts';

/** The collector's words for it and for what follows from it; `null` where it is not open. */
export function openToNetwork(
  findings: readonly { code: string; message: string }[],
): string | null {
  const open = findings.find((finding) => finding.code === 'exposed_without_credential');
  if (!open) return null;
  const worse = findings.filter((finding) => finding.code === 'exposed_and_vulnerable');
  return [...worse, open].map((finding) => shown(finding.message)).join('\n');
}
