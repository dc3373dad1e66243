//! Catalogs: what was loaded from folders, and loading it anew.

use crate::api::catalogs::{CatalogEntries, CatalogList, EntryView};
use crate::api::contract::operation::{Operation, Topic};
use crate::api::contract::shape::told;
use crate::api::list::Page;
use crate::api::problem::Kind;
use crate::catalog::catalogs::Reloaded;

const RELOAD: &str = "/api/v1/catalogs/{name}/reload";

pub(super) fn topic() -> Topic {
    Topic {
        name: "Catalogs",
        about: "Skills and services that lie in folders, as they were loaded.",
        operations: vec![list(), get(), entry(), reload(), entry_called_reload()],
    }
}

fn list() -> Operation {
    Operation::get("/api/v1/catalogs", "listCatalogs", "List catalogs")
        .about("With what stands in the way of loading one anew.")
        .query::<Page>()
        .answers(200, "Catalogs.", told::<CatalogList>())
}

fn get() -> Operation {
    Operation::get("/api/v1/catalogs/{name}", "getCatalog", "Get a catalog with its entries")
        .query::<Page>()
        .example("name", "skills")
        .answers(200, "The catalog, and a page of its entries.", told::<CatalogEntries>())
}

fn entry() -> Operation {
    one_entry(
        Operation::get("/api/v1/catalogs/{name}/{entry}", "getCatalogEntry", "Get an entry")
            .example("name", "skills")
            .example("entry", "review"),
    )
}

fn one_entry(operation: Operation) -> Operation {
    operation.answers(200, "The entry.", told::<EntryView>()).tagged()
}

fn reload() -> Operation {
    Operation::post(RELOAD, "reloadCatalog", "Load a catalog anew")
        .about("All or nothing. It takes no parameters; one that is there is refused.")
        .example("name", "skills")
        .answers(200, "It is loaded; what changed.", told::<Reloaded>())
        .refuses_when(
            Kind::BadField,
            "What is in its folders cannot be used, `detail` says where and why: the catalog \
            stays as it was.",
        )
        .kept()
}

fn entry_called_reload() -> Operation {
    let summary = "Get the entry that is called `reload`";
    one_entry(Operation::get(RELOAD, "getEntryCalledReload", summary).example("name", "skills"))
}
