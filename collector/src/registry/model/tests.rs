//! The inventory of the fleet by model.

use crate::config::Liveness;
use crate::registry::Registry;
use crate::registry::testing::*;

use super::*;

#[test]
fn a_model_is_counted_once_a_host_and_drift_is_told() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let opened = connect(&registry, 1, clock.moment());
    let other = inventory_model("b", "0001", true);
    let services = vec![
        service("127.0.0.1", 1, vec![inventory_model("a", "0001", true)]),
        service("127.0.0.1", 2, vec![inventory_model("a", "0002", true), other]),
    ];
    registry.take_inventory(&opened, services, clock.moment());
    let services = registry.services();
    let models = fleet_models(services.iter().map(AsRef::as_ref));
    let counts: Vec<_> =
        models.iter().map(|m| (m.services.len(), m.hosts_installed, m.hosts_warm)).collect();
    assert_eq!(counts, [(2, 1, 1), (1, 1, 1)]);
    assert_eq!((models[0].drift, models[1].drift), (true, false));
    assert_eq!(models[0].digests, ["0001", "0002"]);
    let listed = listed_models(services.iter().map(AsRef::as_ref));
    assert!(listed.iter().map(|listed| &listed.model).eq(&models));
    assert_eq!(listed_model("a", services.iter().map(AsRef::as_ref)).as_ref(), Some(&listed[0]));
    assert_eq!(listed_model("c", services.iter().map(AsRef::as_ref)), None);
}

#[test]
fn services_of_which_no_host_is_known_are_on_hosts_of_their_own() {
    let registry = Registry::new(Liveness::default());
    let doc = |id: &str| {
        let models = serde_json::json!([{ "name": "a", "warm": true }]);
        let records = serde_json::json!({ "manual": { "check": "probe", "models": models } });
        serde_json::json!({ "id": id, "revision": 1, "status": "healthy", "records": records })
            .to_string()
    };
    assert_eq!(registry.restore(&[], &[doc("x"), doc("y")], Clock::new().moment()), 0);
    let services = registry.services();
    let ListedModel { model, .. } = listed_model("a", services.iter().map(AsRef::as_ref)).unwrap();
    // Nobody has judged them since the start: whether they are warm cannot be told.
    assert_eq!((model.hosts_installed, model.hosts_warm), (2, 0));
}

#[test]
fn entries_at_one_address_of_which_no_host_is_known_are_one_place() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    for (id, url) in [("x", "http://10.0.0.9:1/a"), ("y", "http://10.0.0.9:1/b")] {
        let models = Some([Model::from(model("a", true))].into());
        let declared = crate::registry::service::record::Declared {
            models,
            ..checked_by(url, crate::registry::service::Check::Probe)
        };
        registry.list(id, crate::registry::service::Source::Manual, declared, clock.moment());
    }
    let services = registry.services();
    let ListedModel { model, .. } = listed_model("a", services.iter().map(AsRef::as_ref)).unwrap();
    assert_eq!((model.services.len(), model.hosts_installed), (2, 1));
}

#[test]
fn services_that_have_the_same_build_are_told_together_and_the_most_first() {
    let (registry, clock) = (Registry::new(Liveness::default()), Clock::new());
    let opened = connect(&registry, 1, clock.moment());
    let on = |port: u16, digest: &str, warm: bool| {
        service("127.0.0.1", port, vec![inventory_model("a", digest, warm)])
    };
    let services = vec![on(1, "0002", true), on(2, "0001", true), on(3, "0001", false)];
    registry.take_inventory(&opened, services, clock.moment());
    let services = registry.services();
    let variants = listed_model("a", services.iter().map(AsRef::as_ref)).unwrap().variants;
    let told: Vec<_> = variants
        .iter()
        .map(|variant| (variant.digest.as_deref(), variant.services.as_ref().map(Vec::len)))
        .collect();
    assert_eq!(told, [(Some("0001"), Some(2)), (Some("0002"), Some(1))]);

    let alone = services.iter().filter(|service| {
        service.model("a").and_then(|model| model.digest.as_deref()) == Some("0001")
    });
    let alone = listed_model("a", alone.map(AsRef::as_ref)).unwrap();
    assert_eq!(alone.model.services.len(), 2);
    assert_eq!(alone.variants.len(), 1);
    assert_eq!(alone.variants[0].services, None);
}

fn inventory_model(
    name: &str,
    digest: &str,
    warm: bool,
) -> herdbook_shared::wire::inventory::Model {
    let digest = Some(digest.to_owned());
    herdbook_shared::wire::inventory::Model { digest, ..model(name, warm) }
}
