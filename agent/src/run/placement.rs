//! Which GPUs a model server's processes hold memory on: the GPUs know processes, discovery knows
//! whose they are.

use herdbook_shared::wire::inventory::Service;
use herdbook_shared::wire::sample::GpuSample;

/// The GPUs of each service.
#[derive(Debug, Default)]
pub(super) struct Placement {
    services: Vec<Placed>,
    n_changes: u64,
}

/// A service, by what names it within the host: its place in the list moves as others come and go.
#[derive(Debug)]
struct Placed {
    address: String,
    port: u16,
    gpu_ids: Vec<String>,
}

impl Placed {
    fn is(&self, service: &Service) -> bool {
        self.port == service.port && self.address == service.address
    }
}

impl Placement {
    /// Looks again; `pids` are the processes of each service. A GPU that does not tell its
    /// processes now is believed to hold what it held.
    pub(super) fn look(
        &mut self,
        gpus: Option<&[GpuSample]>,
        services: &[Service],
        pids: &[Vec<u32>],
    ) {
        let gpus = gpus.unwrap_or_default();
        let mut is_news = self.follow(services);
        for (known, pids) in self.services.iter_mut().zip(pids) {
            if !tells_the_same(gpus, pids, &known.gpu_ids) {
                known.gpu_ids = held(gpus, pids, &known.gpu_ids);
                is_news = true;
            }
        }
        self.n_changes += u64::from(is_news);
    }

    /// Brings what is known into the order of the services; whether it was another one.
    fn follow(&mut self, services: &[Service]) -> bool {
        let mut pairs = self.services.iter().zip(services);
        if self.services.len() == services.len() && pairs.all(|(known, now)| known.is(now)) {
            return false;
        }
        let mut known = std::mem::take(&mut self.services);
        let placed = |service: &Service| match known.iter().position(|known| known.is(service)) {
            Some(at) => known.swap_remove(at),
            None => {
                Placed { address: service.address.clone(), port: service.port, gpu_ids: Vec::new() }
            }
        };
        self.services = services.iter().map(placed).collect();
        true
    }

    /// How often it was another one.
    pub(super) fn n_changes(&self) -> u64 {
        self.n_changes
    }

    /// The GPUs of the service.
    pub(super) fn of(&self, service: &Service) -> Vec<String> {
        let placed = self.services.iter().find(|placed| placed.is(service));
        placed.map(|placed| placed.gpu_ids.clone()).unwrap_or_default()
    }
}

/// This is looked at every second, so nothing is made where nothing is new.
fn tells_the_same(gpus: &[GpuSample], pids: &[u32], known: &[String]) -> bool {
    let mut held = gpus.iter().filter(|gpu| holds(gpu, pids, known));
    known.iter().all(|id| held.next().is_some_and(|gpu| gpu.id == *id)) && held.next().is_none()
}

fn held(gpus: &[GpuSample], pids: &[u32], known: &[String]) -> Vec<String> {
    gpus.iter().filter(|gpu| holds(gpu, pids, known)).map(|gpu| gpu.id.clone()).collect()
}

fn holds(gpu: &GpuSample, pids: &[u32], known: &[String]) -> bool {
    match &gpu.processes {
        Some(processes) => processes.iter().any(|process| pids.contains(&process.pid)),
        None => known.contains(&gpu.id),
    }
}

#[cfg(test)]
mod tests {
    use herdbook_shared::wire::sample::GpuProcess;

    use super::*;

    fn gpu(id: &str, pids: Option<&[u32]>) -> GpuSample {
        let process = |pid: &u32| GpuProcess { pid: *pid, ..GpuProcess::default() };
        GpuSample {
            id: id.to_owned(),
            processes: pids.map(|pids| pids.iter().map(process).collect()),
            ..GpuSample::default()
        }
    }

    fn service(port: u16) -> Service {
        Service { address: "::1".to_owned(), port, ..Service::default() }
    }

    #[test]
    fn a_service_is_where_its_processes_are() {
        let mut placement = Placement::default();
        let gpus = [gpu("a", Some(&[1, 2])), gpu("b", Some(&[3])), gpu("c", Some(&[2]))];
        let services = [1, 2, 3].map(service);
        placement.look(Some(&gpus), &services, &[vec![2], vec![9, 3], vec![7]]);
        assert_eq!(placement.of(&services[0]), ["a", "c"]);
        assert_eq!(placement.of(&services[1]), ["b"]);
        assert!(placement.of(&services[2]).is_empty() && placement.of(&service(9)).is_empty());
        let n_changes = placement.n_changes();
        placement.look(Some(&gpus), &services, &[vec![2], vec![9, 3], vec![7]]);
        assert_eq!(placement.n_changes(), n_changes);
        let gpus = [gpu("a", Some(&[])), gpu("b", Some(&[3]))];
        placement.look(Some(&gpus), &services[..2], &[vec![2], vec![3]]);
        assert!(placement.of(&services[0]).is_empty());
        assert_eq!(placement.n_changes(), n_changes + 1);
    }

    #[test]
    fn a_gpu_that_does_not_tell_holds_what_it_held() {
        let mut placement = Placement::default();
        let (services, pids) = ([service(1)], [vec![1]]);
        let gpus = [gpu("a", Some(&[1])), gpu("b", Some(&[]))];
        placement.look(Some(&gpus), &services, &pids);
        placement.look(Some(&[gpu("a", None), gpu("b", None)]), &services, &pids);
        assert_eq!(placement.of(&services[0]), ["a"]);
        assert_eq!(placement.n_changes(), 1);
        placement.look(Some(&[gpu("a", None), gpu("b", Some(&[1]))]), &services, &pids);
        assert_eq!(placement.of(&services[0]), ["a", "b"]);
        placement.look(None, &services, &pids);
        assert!(placement.of(&services[0]).is_empty());
    }

    #[test]
    fn what_is_believed_goes_with_the_service_and_not_with_its_place() {
        let mut placement = Placement::default();
        let gpus = [gpu("a", Some(&[1])), gpu("b", Some(&[2]))];
        let services = [service(1), service(2)];
        placement.look(Some(&gpus), &services, &[vec![1], vec![2]]);
        // The first went, and another came, while the GPUs told nothing.
        let silent = [gpu("a", None), gpu("b", None)];
        let services = [service(2), service(3)];
        placement.look(Some(&silent), &services, &[vec![2], vec![3]]);
        assert_eq!(placement.of(&services[0]), ["b"]);
        assert!(placement.of(&services[1]).is_empty() && placement.of(&service(1)).is_empty());
    }
}
