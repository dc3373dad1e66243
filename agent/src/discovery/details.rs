//! What the list of models lacks, asked once a digest and kept as long as the model is installed.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use tokio::time::Instant;

use super::answer::{Installed, Loaded, Shown};

/// Each question makes the server read a file.
const PER_MINUTE: u32 = 30;
/// So that one look does not keep the next waiting.
pub(super) const PER_ROUND: usize = 5;

/// The answers, by digest. An unanswered question is not asked again before the server restarts.
#[derive(Debug, Default)]
pub(super) struct DetailsCache {
    by_digest: HashMap<String, Option<Shown>>,
    minute: Option<Instant>,
    n_asked: u32,
}

/// What is wanted of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    /// What its list may lack.
    Details,
    /// The files that it is made of too, which no list tells.
    Files,
}

/// A question to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) digest: String,
    pub(super) model: String,
}

impl DetailsCache {
    /// The next model to ask about, if any lacks something and this minute's share is not spent.
    /// The loaded ones come first.
    pub(super) fn next(
        &mut self,
        want: Want,
        installed: &[Installed],
        loaded: &[Loaded],
        now: Instant,
    ) -> Option<Wanted> {
        let is_loaded =
            |model: &&Installed| loaded.iter().any(|other| other.digest == model.digest);
        let first = installed.iter().filter(is_loaded);
        let wanted =
            first.chain(installed).filter(|model| lacks(want, model)).find_map(|model| {
                let digest = model.digest.as_ref().filter(|d| !self.by_digest.contains_key(*d))?;
                Some(Wanted { digest: digest.clone(), model: model.name.clone() })
            })?;
        self.take_share(now).then_some(wanted)
    }

    fn take_share(&mut self, now: Instant) -> bool {
        let minute_is_over =
            self.minute.is_none_or(|start| now.duration_since(start) >= Duration::from_secs(60));
        if minute_is_over {
            self.minute = Some(now);
            self.n_asked = 0;
        }
        self.n_asked += 1;
        self.n_asked <= PER_MINUTE
    }

    /// Keeps an answer, or that there was none.
    pub(super) fn keep(&mut self, digest: String, answer: Option<Shown>) {
        self.by_digest.insert(digest, answer);
    }

    /// Forgets what is no longer installed.
    pub(super) fn retain_installed(&mut self, installed: &[Installed]) {
        let digests: HashSet<&str> =
            installed.iter().filter_map(|model| model.digest.as_deref()).collect();
        self.by_digest.retain(|digest, _| digests.contains(digest.as_str()));
    }

    /// A server that restarted may answer what it did not answer before.
    pub(super) fn forget_unanswered(&mut self) {
        self.by_digest.retain(|_, answer| answer.is_some());
    }

    /// What is known of a digest.
    pub(super) fn get(&self, digest: Option<&str>) -> Option<&Shown> {
        self.by_digest.get(digest?)?.as_ref()
    }
}

/// Of a model that runs elsewhere nothing is asked: the server would ask the other machine.
fn lacks(want: Want, model: &Installed) -> bool {
    let is_incomplete = model.context_length.is_none() || model.capabilities.is_empty();
    !model.remote && (is_incomplete || want == Want::Files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, digest: &str) -> Installed {
        Installed { name: name.to_owned(), digest: Some(digest.to_owned()), ..Installed::default() }
    }

    #[test]
    fn each_digest_is_asked_once() {
        let now = Instant::now();
        let installed = [model("a:latest", "1"), model("b:latest", "1"), model("c:latest", "2")];
        let mut cache = DetailsCache::default();
        let first = cache.next(Want::Details, &installed, &[], now).unwrap();
        assert_eq!(first, Wanted { digest: "1".to_owned(), model: "a:latest".to_owned() });
        cache.keep(first.digest, Some(Shown::default()));
        let second = cache.next(Want::Details, &installed, &[], now).unwrap();
        assert_eq!(second.model, "c:latest");
        cache.keep(second.digest, None);
        assert_eq!(cache.next(Want::Details, &installed, &[], now), None);
    }

    #[test]
    fn remote_complete_and_digestless_models_are_not_asked() {
        let remote = Installed { remote: true, ..model("a", "1") };
        let complete = Installed {
            context_length: Some(8192),
            capabilities: vec!["completion".to_owned()],
            ..model("b", "2")
        };
        let digestless = Installed { digest: None, ..model("c", "3") };
        let mut cache = DetailsCache::default();
        assert_eq!(
            cache.next(Want::Details, &[remote, complete, digestless], &[], Instant::now()),
            None
        );
    }

    #[test]
    fn files_are_asked_of_complete_models_too_and_of_loaded_ones_first() {
        let complete = |name: &str, digest: &str| Installed {
            context_length: Some(8192),
            capabilities: vec!["completion".to_owned()],
            ..model(name, digest)
        };
        let remote = Installed { remote: true, ..model("r", "9") };
        let installed = [remote, complete("a", "1"), complete("b", "2")];
        let loaded = [Loaded { digest: Some("2".to_owned()), ..Loaded::default() }];
        let mut cache = DetailsCache::default();
        let now = Instant::now();
        assert_eq!(cache.next(Want::Details, &installed, &loaded, now), None);
        assert_eq!(cache.next(Want::Files, &installed, &loaded, now).unwrap().model, "b");
    }

    #[test]
    fn the_questions_of_a_minute_are_bounded() {
        let installed: Vec<_> = (0..100).map(|n| model("m", &n.to_string())).collect();
        let mut cache = DetailsCache::default();
        let now = Instant::now();
        let ask_all = |cache: &mut DetailsCache, now| {
            let mut n_asked = 0;
            while let Some(wanted) = cache.next(Want::Details, &installed, &[], now) {
                cache.keep(wanted.digest, Some(Shown::default()));
                n_asked += 1;
            }
            n_asked
        };
        assert_eq!(ask_all(&mut cache, now), PER_MINUTE);
        assert_eq!(ask_all(&mut cache, now + Duration::from_secs(59)), 0);
        assert_eq!(ask_all(&mut cache, now + Duration::from_secs(60)), PER_MINUTE);
    }

    #[test]
    fn what_is_gone_or_unanswered_is_forgotten() {
        let mut cache = DetailsCache::default();
        cache.keep("1".to_owned(), Some(Shown::default()));
        cache.keep("2".to_owned(), None);
        cache.forget_unanswered();
        assert!(cache.next(Want::Details, &[model("b", "2")], &[], Instant::now()).is_some());
        cache.retain_installed(&[model("b", "2")]);
        assert_eq!(cache.get(Some("1")), None);
    }
}
