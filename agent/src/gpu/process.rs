//! The child as a process: how it is started, told to end, and seen to have ended.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, kill_process};
use tokio::io::AsyncRead;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

pub(super) use rustix::process::Signal;

/// Starts children. Tests start ones that are no processes.
pub(super) trait Launch: Send + 'static {
    /// What is started.
    type Process: Process;
    /// Starts one.
    fn launch(&mut self) -> io::Result<Self::Process>;
}

/// A child that runs. Dropping it does not kill it.
pub(super) trait Process: Send {
    /// Its stdout.
    type Output: AsyncRead + Unpin + Send;
    /// Its stdout, to be taken once.
    fn take_output(&mut self) -> Option<Self::Output>;
    /// Lets its stdin end, which asks it to end.
    fn close_input(&mut self);
    /// Sends it a signal, unless it has ended.
    fn signal(&mut self, signal: Signal);
    /// Waits for its end, and says how it ended.
    fn ended(&mut self) -> impl Future<Output = String> + Send;
}

/// Starts the agent's own program.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) path: PathBuf,
    pub(super) nvml_lib: Option<PathBuf>,
    pub(super) interval: Duration,
    /// Told where it is not `/`.
    pub(super) host_root: PathBuf,
}

impl Launch for Program {
    type Process = Running;

    fn launch(&mut self) -> io::Result<Running> {
        let mut command = Command::new(&self.path);
        command.arg("gpu").arg("--interval-ms").arg(self.interval.as_millis().to_string());
        if let Some(path) = &self.nvml_lib {
            command.arg("--nvml-lib").arg(path);
        }
        if self.host_root != Path::new("/") {
            command.arg("--host-root").arg(&self.host_root);
        }
        // Not killed on drop: a child in uninterruptible sleep cannot be, and the runtime would
        // only pretend. The watch ends it step by step; should the agent die, stdin closes.
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(false).spawn()?;
        let input = child.stdin.take();
        Ok(Running { child, input })
    }
}

/// A real process.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    input: Option<ChildStdin>,
}

impl Process for Running {
    type Output = ChildStdout;

    fn take_output(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    fn close_input(&mut self) {
        self.input = None;
    }

    fn signal(&mut self, signal: Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid
            && let Err(error) = kill_process(pid, signal)
        {
            tracing::warn!(%error, pid = pid.as_raw_nonzero(), "GPU child cannot be signalled");
        }
    }

    async fn ended(&mut self) -> String {
        match self.child.wait().await {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// What a program says that only repeats what it is told.
    async fn told(program: &mut Program) -> String {
        let mut echo = program.launch().unwrap();
        let mut text = String::new();
        echo.take_output().unwrap().read_to_string(&mut text).await.unwrap();
        echo.ended().await;
        text
    }

    #[tokio::test]
    async fn a_child_is_told_what_its_parent_was_told() {
        let mut program = Program {
            path: "/bin/echo".into(),
            nvml_lib: None,
            interval: Duration::from_secs(1),
            host_root: "/".into(),
        };
        assert_eq!(told(&mut program).await, "gpu --interval-ms 1000\n");
        program.nvml_lib = Some("/x.so".into());
        program.host_root = "/host".into();
        let wanted = "gpu --interval-ms 1000 --nvml-lib /x.so --host-root /host\n";
        assert_eq!(told(&mut program).await, wanted);
    }
}
