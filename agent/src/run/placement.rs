//! Which GPUs a model server's processes hold memory on: the GPUs know processes, discovery knows
//! whose they are.

use herdbook_shared::wire::sample::GpuSample;

/// The GPUs of each service, in the services' order.
#[derive(Debug, Default)]
pub(super) struct Placement {
    gpu_ids: Vec<Vec<String>>,
    n_changes: u64,
}

impl Placement {
    /// Looks again; `pids` are the processes of each service. A GPU that does not tell its
    /// processes now is believed to hold what it held.
    pub(super) fn look(&mut self, gpus: Option<&[GpuSample]>, pids: &[Vec<u32>]) {
        let gpus = gpus.unwrap_or_default();
        let mut is_news = pids.len() != self.gpu_ids.len();
        self.gpu_ids.resize(pids.len(), Vec::new());
        for (known, pids) in self.gpu_ids.iter_mut().zip(pids) {
            if !tells_the_same(gpus, pids, known) {
                *known = held(gpus, pids, known);
                is_news = true;
            }
        }
        self.n_changes += u64::from(is_news);
    }

    /// How often it was another one.
    pub(super) fn n_changes(&self) -> u64 {
        self.n_changes
    }

    /// The GPUs of the service at this place.
    pub(super) fn of(&self, service: usize) -> Vec<String> {
        self.gpu_ids.get(service).cloned().unwrap_or_default()
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

    #[test]
    fn a_service_is_where_its_processes_are() {
        let mut placement = Placement::default();
        let gpus = [gpu("a", Some(&[1, 2])), gpu("b", Some(&[3])), gpu("c", Some(&[2]))];
        placement.look(Some(&gpus), &[vec![2], vec![9, 3], vec![7]]);
        assert_eq!(placement.of(0), ["a", "c"]);
        assert_eq!(placement.of(1), ["b"]);
        assert!(placement.of(2).is_empty() && placement.of(3).is_empty());
        let n_changes = placement.n_changes();
        placement.look(Some(&gpus), &[vec![2], vec![9, 3], vec![7]]);
        assert_eq!(placement.n_changes(), n_changes);
        placement.look(Some(&[gpu("a", Some(&[])), gpu("b", Some(&[3]))]), &[vec![2], vec![3]]);
        assert!(placement.of(0).is_empty());
        assert_eq!(placement.n_changes(), n_changes + 1);
    }

    #[test]
    fn a_gpu_that_does_not_tell_holds_what_it_held() {
        let mut placement = Placement::default();
        let pids = [vec![1]];
        placement.look(Some(&[gpu("a", Some(&[1])), gpu("b", Some(&[]))]), &pids);
        placement.look(Some(&[gpu("a", None), gpu("b", None)]), &pids);
        assert_eq!(placement.of(0), ["a"]);
        assert_eq!(placement.n_changes(), 1);
        placement.look(Some(&[gpu("a", None), gpu("b", Some(&[1]))]), &pids);
        assert_eq!(placement.of(0), ["a", "b"]);
        placement.look(None, &pids);
        assert!(placement.of(0).is_empty());
    }
}
