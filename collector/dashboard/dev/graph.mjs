// The simulated fleet as the collector's graph has it.

export function graphOf(fleet) {
  const nodes = [node('collector', 'collector', 'collector', null, 'online')];
  const links = [];
  const names = new Set();
  for (const host of fleet.hosts) {
    const service = fleet.service(host);
    nodes.push(node(host.id, host.name, 'host', host.role, host.status));
    nodes.push(node(service.id, service.name, 'service', 'production', service.status));
    if (host.status === 'online' || host.status === 'degraded') {
      links.push({ source: host.id, target: 'collector', type: 'session', session_id: host.id });
    }
    links.push({ source: host.id, target: service.id, type: 'runs', session_id: null });
    for (const { name } of host.models) {
      names.add(name);
      const target = `model:${name}`;
      links.push({ source: service.id, target, type: 'serves', session_id: null });
    }
  }
  nodes.push(...[...names].sort().map((name) => node(`model:${name}`, name, 'model')));
  return { nodes, links };
}

function node(id, name, kind, role = null, status = null) {
  return { id, name, kind, role, status, domain: null };
}
