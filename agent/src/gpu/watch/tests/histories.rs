//! Any history of a child's deeds, on the paused clock: never two children (the launch itself
//! looks), always a view, and never a reading that is older than the deadline.

use proptest::prelude::*;

use super::*;

/// What the child does next, and for how long it is still then.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Start,
    List,
    Read,
    ReadLost,
    Sleep,
    Garbage,
    Unavailable,
    Again,
    CloseOutput,
    Die,
    Nothing,
}

fn deed() -> impl Strategy<Value = Deed> {
    prop::sample::select(vec![
        Deed::Start,
        Deed::List,
        Deed::List,
        Deed::Read,
        Deed::Read,
        Deed::Read,
        Deed::ReadLost,
        Deed::Sleep,
        Deed::Garbage,
        Deed::Unavailable,
        Deed::Again,
        Deed::CloseOutput,
        Deed::Die,
        Deed::Nothing,
    ])
}

/// The child that lives now, and when a reading was last heard.
struct History {
    stage: Stage,
    child: Option<Remote>,
    read: Option<Instant>,
}

impl History {
    async fn take(&mut self, deed: Deed) {
        if self.child.is_none() {
            self.child = self.stage.remotes.try_recv().ok();
        }
        let Some(child) = &mut self.child else { return };
        match deed {
            Deed::Die => {
                if let Some(child) = self.child.take() {
                    child.die();
                }
            }
            Deed::CloseOutput => child.output = None,
            Deed::Nothing => {}
            _ if child.output.is_none() => {}
            Deed::Start => child.say(&Line::Start { version: VERSION }).await,
            Deed::List => child.say(&inventory()).await,
            Deed::Read => {
                child.say(&fast(50.0)).await;
                self.read = Some(Instant::now());
            }
            Deed::ReadLost => {
                let lost = crate::gpu::reading::dim("GPU-1", MissingReason::Lost);
                child.say(&readings(lost)).await;
            }
            Deed::Sleep => child.say(&Line::Asleep { gpus: Vec::new() }).await,
            Deed::Garbage => {
                let output = child.output.as_mut().unwrap();
                output.write_all(b"{\"type\":\"readings\"}\n\xff\n").await.unwrap();
            }
            Deed::Unavailable => {
                let reason = MissingReason::DriverMismatch;
                child.say(&Line::Unavailable { reason, message: "x".to_owned() }).await;
            }
            Deed::Again => child.say(&Line::Again { message: "x".to_owned() }).await,
        }
    }

    /// What holds at every moment.
    fn check(&self) -> Result<(), TestCaseError> {
        let view = self.stage.watch.latest();
        prop_assert!(view.gpus.is_some() || view.missing.is_some(), "a view or a reason");
        let sample = view.samples.iter().flatten().next();
        if let Some(sample) = sample {
            let is_told = sample.utilization_percent.is_some();
            let is_excused = sample.missing.contains_key("utilization_percent");
            prop_assert!(is_told != is_excused, "{sample:?}");
        }
        if sample.is_some_and(|sample| sample.utilization_percent.is_some()) {
            let patience = Patience::with(SECOND).silent;
            // Other words than readings are signs of life too; a child speaks once a tick.
            let age = self.read.map_or(Duration::MAX, |read| read.elapsed());
            let words = 4 * SECOND;
            prop_assert!(age <= patience + words, "a reading that is {age:?} old");
        }
        Ok(())
    }
}

fn live(deeds: Vec<(Deed, u64)>) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut history = History { stage: Stage::new(), child: None, read: None };
        for (deed, pause_ms) in deeds {
            history.take(deed).await;
            sleep(Duration::from_millis(pause_ms)).await;
            history.check()?;
        }
        // A panic in the watch would have ended it.
        prop_assert!(history.stage.tasks.try_join_next().is_none());
        Ok(())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn whatever_children_do(
        deeds in prop::collection::vec((deed(), prop::sample::select(vec![0, 10, 900, 5_000, 40_000, 100_000])), 1..60),
    ) {
        live(deeds)?;
    }
}
