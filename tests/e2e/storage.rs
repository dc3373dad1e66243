//! What a command was answered for is on the disk: whatever call of the system the collector dies
//! in, whoever does it carelessly is caught, and every answer comes after its sync.

mod backups;
mod enrols;
mod kills;
mod syncs;
mod traced;
mod troubles;
