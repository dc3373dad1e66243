//! What lies in the demo's folder for the collector to read: skills, and a service in a file.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

const SKILLS: [(&str, &str); 3] = [
    (
        "choose-a-model",
        "---\nname: choose-a-model\ndescription: Which model of this fleet is good for what. Read this \
         before you pick one.\n---\n# Choosing a model\n\nSmall questions go to `llama3.1:8b`, code to \
         `qwen3-coder:30b`, and what takes thinking to `gpt-oss:120b`.\nAsk `/api/v1/pick?model=…` \
         where it is warm.\n",
    ),
    (
        "drain-a-host",
        "---\nname: drain-a-host\ndescription: How to take a host out of service without losing a \
         request.\n---\n# Draining a host\n\n1. `PATCH /api/v1/hosts/ID` with `{\"drain\":true}`.\n2. Wait \
         until no lease is out on its services.\n3. Say why in `notes`.\n",
    ),
    (
        "summarise-an-incident",
        "---\nname: summarise-an-incident\ndescription: The form in which we tell what went wrong on \
         the fleet.\n---\n# Summarising an incident\n\nFollow `timeline.md`. Quote alerts word for \
         word.\n",
    ),
];
const TIMELINE: &str = "# Timeline\n\n| when | what was seen | what was done |\n|---|---|---|\n";

/// Writes all of it below `dir`. `answering` is where something answers on this machine.
pub(super) fn write(dir: &Path, answering: SocketAddr) -> io::Result<()> {
    for (name, text) in SKILLS {
        let skill = dir.join("skills").join(name);
        std::fs::create_dir_all(&skill)?;
        std::fs::write(skill.join("SKILL.md"), text)?;
    }
    std::fs::write(dir.join("skills/summarise-an-incident/timeline.md"), TIMELINE)?;
    let services = dir.join("services.d");
    std::fs::create_dir_all(&services)?;
    let speech = format!(
        "[[service]]\nname = \"speech-to-text\"\ntype = \"tool\"\nurl = \"http://{answering}/speech\"\n\
         role = \"production\"\ncaps = [\"transcribe\"]\nlabels = {{ team = \"assistants\" }}\n"
    );
    std::fs::write(services.join("speech.toml"), speech)
}
