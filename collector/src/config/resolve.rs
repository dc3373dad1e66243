//! Decides between flag, environment, file and default, and remembers who won.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::PathBuf;

use ipnet::IpNet;

use super::error::ConfigError;
use super::file::{self, File};
use super::flags::{self, Flags, Task};
use super::given::{Given, Source};
use super::table::Table;
use super::{
    AuthMode, Catalogs, Command, Config, Enrol, Log, LogFormat, Told, auth, data_dir, enrol,
    listen, log, notice,
};
use crate::auth::HostName;
use crate::control::Ask;
use crate::store::backup::Existing;

/// Looks an environment variable up; tests bring their own.
pub type Environment<'a> = dyn Fn(&str) -> Option<OsString> + 'a;

/// One setting's names; the key is the file's.
struct Setting {
    key: &'static str,
    flag: &'static str,
    variable: &'static str,
}

const LISTEN: Setting = Setting { key: "listen", flag: "--listen", variable: "HERDBOOK_LISTEN" };
const DATA_DIR: Setting =
    Setting { key: "data_dir", flag: "--data-dir", variable: "HERDBOOK_DATA_DIR" };
const PUBLIC_NAME: Setting =
    Setting { key: "public_name", flag: "--public-name", variable: "HERDBOOK_PUBLIC_NAME" };
const NOTICE: Setting = Setting { key: "notice", flag: "--notice", variable: "HERDBOOK_NOTICE" };
/// No flags of these: who comes in is not for the command line of one start.
const AUTH: Setting = Setting { key: "auth", flag: "", variable: "HERDBOOK_AUTH" };
const ENROL: Setting = Setting { key: "enrol", flag: "", variable: "HERDBOOK_ENROL" };
const AUTO_APPROVE: Setting =
    Setting { key: "auto_approve", flag: "", variable: "HERDBOOK_AUTO_APPROVE" };
const ANNOUNCE: Setting = Setting { key: "announce", flag: "", variable: "HERDBOOK_ANNOUNCE" };
const LOG_LEVEL: Setting =
    Setting { key: "log_level", flag: "--log-level", variable: "HERDBOOK_LOG_LEVEL" };
const LOG_FORMAT: Setting =
    Setting { key: "log_format", flag: "--log-format", variable: "HERDBOOK_LOG_FORMAT" };

/// Reads and checks everything that the collector is told. `args` begins with the program's name.
///
/// # Errors
///
/// [`ConfigError`] names the key, who gave it, and what was expected.
pub fn load(
    args: impl IntoIterator<Item = OsString>,
    environment: &Environment<'_>,
) -> Result<Command, ConfigError> {
    let mut flags = match flags::parse(args) {
        Ok(flags) => flags,
        Err(asked) if !asked.use_stderr() => return Ok(Command::Print(asked.to_string())),
        Err(wrong) => return Err(ConfigError::Flags(wrong.to_string())),
    };
    let task = flags.task.take();
    let config = Resolver { environment, told: Vec::new() }.resolve(flags)?;
    Ok(match task {
        None => Command::Run(config),
        Some(Task::CheckConfig) => Command::CheckConfig(config),
        Some(Task::Backup { file, force }) => {
            let existing = if force { Existing::Replace } else { Existing::Keep };
            Command::Backup(config, file, existing)
        }
        Some(Task::Restore { file }) => Command::Restore(config, file),
        Some(Task::Token(ask)) => Command::Control(config, Ask::Token(ask)),
        Some(Task::Host(ask)) => Command::Control(config, Ask::Host(ask)),
        Some(Task::Person(ask)) => Command::Control(config, Ask::Person(ask)),
        Some(Task::Audit { verify, json }) => Command::Control(config, Ask::Audit { verify, json }),
        Some(Task::NotifyTest { name }) => Command::NotifyTest(config, name),
        Some(Task::Tls { task }) => Command::Tls(config, task.into()),
    })
}

struct Resolver<'a> {
    environment: &'a Environment<'a>,
    told: Vec<Told>,
}

impl Resolver<'_> {
    fn resolve(mut self, flags: Flags) -> Result<Config, ConfigError> {
        let file = self.file(flags.config)?;
        let listen = self.listen(flags.listen, file.listen)?;
        let auth = self.auth(file.auth)?;
        let data_dir = self.data_dir(flags.data_dir, file.data_dir)?;
        let public_names = self.public_names(flags.public_name, file.public_name)?;
        let notice = self.notice(flags.notice, file.notice)?;
        let enrol = self.enrol(file.enrol)?;
        let auto_approve = self.auto_approve(file.auto_approve)?;
        let announce = self.announce(file.announce)?;
        let level = self.log_level(flags.log_level, file.log_level)?;
        let format = self.log_format(flags.log_format, file.log_format)?;
        let catalog = self.table::<Catalogs>(&file.catalog)?;
        let catalog = catalog.with_defaults(file.path.as_deref(), &data_dir);
        let config = Config {
            listen,
            auth,
            tls: self.table(&file.tls)?,
            data_dir,
            public_names,
            proxy: self.table(&file.proxy)?,
            notice,
            enrol,
            auto_approve,
            announce,
            log: Log { level, format },
            liveness: self.table(&file.liveness)?,
            checks: self.table(&file.checks)?,
            history: self.table(&file.history)?,
            alerts: self.table(&file.alerts)?,
            notify: self.table(&file.notify)?,
            catalog,
            told: self.told,
        };
        config.proxy.check_beside(config.demands_credentials())?;
        Ok(config)
    }

    fn file(&self, flag: Option<PathBuf>) -> Result<File, ConfigError> {
        let by_flag = flag.map(|path| (path, Source::Flag("--config")));
        let by_variable = || {
            let path = self.variable("HERDBOOK_CONFIG")?;
            Some((PathBuf::from(path), Source::Env("HERDBOOK_CONFIG")))
        };
        match by_flag.or_else(by_variable) {
            Some((path, origin)) => file::read(&path, &origin),
            None => Ok(File::default()),
        }
    }

    fn listen(
        &mut self,
        flags: Vec<String>,
        file: Option<Given>,
    ) -> Result<Vec<std::net::SocketAddr>, ConfigError> {
        let given = self.several(&LISTEN, flags, file)?;
        if given.is_empty() {
            self.tell(&LISTEN, listen::DEFAULT, Source::Default);
            return Ok(vec![listen::DEFAULT]);
        }
        let addresses = listen::addresses(&given)?;
        for (address, given) in addresses.iter().zip(given) {
            self.tell(&LISTEN, address, given.source);
        }
        Ok(addresses)
    }

    fn data_dir(
        &mut self,
        flag: Option<PathBuf>,
        file: Option<Given>,
    ) -> Result<PathBuf, ConfigError> {
        let by_flag = flag.map(|path| (path, Source::Flag(DATA_DIR.flag)));
        let by_variable = || {
            let path = self.variable(DATA_DIR.variable)?;
            Some((PathBuf::from(path), Source::Env(DATA_DIR.variable)))
        };
        let (dir, source) = match (by_flag.or_else(by_variable), file) {
            (Some(found), _) => found,
            (None, Some(given)) => {
                (given.as_text("the path of a directory")?.into(), given.source.clone())
            }
            (None, None) => {
                let dir = data_dir::default(self.environment).ok_or(ConfigError::NoDataDir)?;
                (dir, Source::Default)
            }
        };
        self.tell(&DATA_DIR, dir.display(), source);
        Ok(dir)
    }

    fn public_names(
        &mut self,
        flags: Vec<String>,
        file: Option<Given>,
    ) -> Result<Vec<HostName>, ConfigError> {
        const EXPECTED: &str =
            "a host name without scheme, port or path, such as fleet.example.org";
        let mut names = Vec::new();
        for given in self.several(&PUBLIC_NAME, flags, file)? {
            let text = given.as_text(EXPECTED)?;
            let name: HostName = text.parse().map_err(|_| given.bad(EXPECTED))?;
            self.tell(&PUBLIC_NAME, &name, given.source);
            names.push(name);
        }
        Ok(names)
    }

    fn auth(&mut self, file: Option<Given>) -> Result<AuthMode, ConfigError> {
        let given = self.one(&AUTH, None, file, AuthMode::default().word())?;
        let mode = auth::mode(&given)?;
        self.tell(&AUTH, mode.word(), given.source);
        Ok(mode)
    }

    fn notice(
        &mut self,
        flag: Option<String>,
        file: Option<Given>,
    ) -> Result<Option<String>, ConfigError> {
        let Some(given) = self.given(&NOTICE, flag, file)? else { return Ok(None) };
        let notice = notice::notice(&given)?;
        self.tell(&NOTICE, &notice, given.source);
        Ok(Some(notice))
    }

    fn enrol(&mut self, file: Option<Given>) -> Result<Enrol, ConfigError> {
        let given = self.one(&ENROL, None, file, Enrol::default().word())?;
        let rule = enrol::enrol(&given)?;
        self.tell(&ENROL, rule.word(), given.source);
        Ok(rule)
    }

    fn announce(&mut self, file: Option<Given>) -> Result<Option<bool>, ConfigError> {
        let Some(given) = self.given(&ANNOUNCE, None, file)? else { return Ok(None) };
        let announce = enrol::announce(&given)?;
        self.tell(&ANNOUNCE, announce, given.source);
        Ok(Some(announce))
    }

    fn auto_approve(&mut self, file: Option<Given>) -> Result<Vec<IpNet>, ConfigError> {
        let given = self.several(&AUTO_APPROVE, Vec::new(), file)?;
        let networks = enrol::networks(&given)?;
        for (network, given) in networks.iter().zip(given) {
            self.tell(&AUTO_APPROVE, network, given.source);
        }
        Ok(networks)
    }

    fn log_level(
        &mut self,
        flag: Option<String>,
        file: Option<Given>,
    ) -> Result<String, ConfigError> {
        let given = self.one(&LOG_LEVEL, flag, file, "info")?;
        let level = log::level(&given)?;
        self.tell(&LOG_LEVEL, &level, given.source);
        Ok(level)
    }

    fn log_format(
        &mut self,
        flag: Option<String>,
        file: Option<Given>,
    ) -> Result<LogFormat, ConfigError> {
        let given = self.one(&LOG_FORMAT, flag, file, "text")?;
        let format = log::format(&given)?;
        self.tell(&LOG_FORMAT, given.as_text("")?, given.source.clone());
        Ok(format)
    }

    /// Takes a table of the file in, key by key, then looks at it as a whole.
    fn table<T: Table>(&mut self, file: &[Given]) -> Result<T, ConfigError> {
        let mut table = T::default();
        for given in file {
            table.set(given)?;
            let (key, value) = (format!("{}.{}", T::NAME, given.key), T::shown(given));
            self.told.push(Told { key, value, source: given.source.clone() });
        }
        table.check()?;
        Ok(table)
    }

    fn one(
        &self,
        setting: &Setting,
        flag: Option<String>,
        file: Option<Given>,
        default: &str,
    ) -> Result<Given, ConfigError> {
        let given = self.given(setting, flag, file)?;
        let default = || Given::text(setting.key, default.to_owned(), Source::Default);
        Ok(given.unwrap_or_else(default))
    }

    fn given(
        &self,
        setting: &Setting,
        flag: Option<String>,
        file: Option<Given>,
    ) -> Result<Option<Given>, ConfigError> {
        if let Some(flag) = flag {
            return Ok(Some(Given::text(setting.key, flag, Source::Flag(setting.flag))));
        }
        Ok(self.text_variable(setting)?.or(file))
    }

    fn several(
        &self,
        setting: &Setting,
        flags: Vec<String>,
        file: Option<Given>,
    ) -> Result<Vec<Given>, ConfigError> {
        let text = |text, source| Given::text(setting.key, text, source);
        if !flags.is_empty() {
            let source = || Source::Flag(setting.flag);
            return Ok(flags.into_iter().map(|flag| text(flag, source())).collect());
        }
        if let Some(all) = self.text_variable(setting)? {
            let parts = all.as_text("a list with commas between")?.split(',');
            return Ok(parts.map(|part| text(part.to_owned(), all.source.clone())).collect());
        }
        Ok(file.map(Given::elements).unwrap_or_default())
    }

    fn text_variable(&self, setting: &Setting) -> Result<Option<Given>, ConfigError> {
        let Some(value) = self.variable(setting.variable) else { return Ok(None) };
        let source = Source::Env(setting.variable);
        match value.into_string() {
            Ok(text) => Ok(Some(Given::text(setting.key, text, source))),
            Err(bytes) => {
                let lossy = bytes.to_string_lossy().into_owned();
                Err(Given::text(setting.key, lossy, source).bad("UTF-8 text"))
            }
        }
    }

    /// Set to nothing is not set: that is how unit files and shells switch a variable off.
    fn variable(&self, name: &str) -> Option<OsString> {
        (self.environment)(name).filter(|value| !value.is_empty())
    }

    fn tell(&mut self, setting: &Setting, value: impl Display, source: Source) {
        self.told.push(Told { key: setting.key.to_owned(), value: value.to_string(), source });
    }
}
