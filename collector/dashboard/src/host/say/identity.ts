// How a copied machine gets an identity of its own, for all who advise it. The files go and their folder
// stays: under systemd it is a link to where they are, and without the link they would be found again.
export const NEW_IDENTITY: readonly string[] = [
  'sudo systemctl stop herdbook-agent',
  'sudo sh -c "rm -r /var/lib/herdbook-agent/*"',
  'sudo systemctl start herdbook-agent',
];
