//! A Slurm cluster of two nodes on this machine, for as long as a test needs it: loopback only, state in the test's own folder.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const PROGRAMS: [&str; 7] = ["munged", "mungekey", "slurmctld", "slurmd", "sbatch", "squeue", "sinfo"];

pub(crate) struct Cluster {
    folder: PathBuf,
    munged: Child,
    controller: Child,
    nodes: Vec<(&'static str, Child)>,
}

/// A program of the distribution's package, wherever it puts it.
fn program(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
}

fn free_ports<const N: usize>() -> [u16; N] {
    // All are held until all are known, so that they differ.
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    listeners.map(|listener| listener.local_addr().unwrap().port())
}

/// Waits until something holds; panics after a minute.
pub(crate) fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(60), "waited too long for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

impl Cluster {
    /// Starts one, or says what this machine lacks for it.
    pub(crate) fn start(folder: &Path) -> Result<Self, String> {
        if !cfg!(target_os = "linux") || !fs::metadata("/proc/self").is_ok_and(|own| is_owned_by_root(&own)) {
            return Err("only root on Linux can start Slurm's daemons".into());
        }
        if let Some(missing) = PROGRAMS.iter().find(|name| program(name).is_none()) {
            return Err(format!("there is no {missing}; install slurm-wlm and munge"));
        }
        for name in ["state", "spool-n1", "spool-n2", "munge"] {
            fs::create_dir_all(folder.join(name)).unwrap();
        }
        let [controller_port, first, second] = free_ports();
        let place = folder.display();
        let configuration = format!(
            "ClusterName=axtrain\nSlurmctldHost=localhost(127.0.0.1)\nSlurmctldPort={controller_port}\n\
             AuthType=auth/munge\nAuthInfo=socket={place}/munge/socket,cred_expire=5\n\
             CredType=cred/munge\nCommunicationParameters=NoCtldInAddrAny,NoInAddrAny\n\
             SlurmUser=root\nSlurmdUser=root\nStateSaveLocation={place}/state\nSlurmdSpoolDir={place}/spool-%n\n\
             SlurmctldPidFile={place}/slurmctld.pid\nSlurmdPidFile={place}/slurmd-%n.pid\n\
             SlurmctldLogFile={place}/slurmctld.log\nSlurmdLogFile={place}/slurmd-%n.log\n\
             ProctrackType=proctrack/linuxproc\nTaskPlugin=task/none\nSwitchType=switch/none\nMpiDefault=none\n\
             ReturnToService=2\nSlurmdParameters=config_overrides\nSlurmdTimeout=5\nKillWait=1\n\
             SchedulerType=sched/builtin\nSchedulerParameters=batch_sched_delay=1,sched_interval=2\n\
             SelectType=select/cons_tres\nSelectTypeParameters=CR_Core\nJobAcctGatherType=jobacct_gather/none\n\
             AccountingStorageType=accounting_storage/none\nMailProg=/bin/true\n\
             NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port={first} CPUs=1 RealMemory=2000 State=UNKNOWN\n\
             NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port={second} CPUs=1 RealMemory=2000 State=UNKNOWN\n\
             PartitionName=main Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP\n"
        );
        fs::write(folder.join("slurm.conf"), configuration).unwrap();
        let daemon = |name: &str, arguments: &[&str]| {
            let log = fs::File::create(folder.join(format!("{name}.out"))).unwrap();
            let mut command = Command::new(program(name).unwrap());
            command.args(arguments).env("SLURM_CONF", folder.join("slurm.conf"));
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
        };
        let munge = |file: &str| format!("{place}/munge/{file}");
        let key = Command::new(program("mungekey").unwrap())
            .args(["--create", "--force", "--keyfile", &munge("key")])
            .output()
            .unwrap();
        assert!(key.status.success(), "{key:?}");
        let munged = daemon(
            "munged",
            &[
                "--foreground",
                "--force",
                "--num-threads=2",
                &format!("--socket={}", munge("socket")),
                &format!("--key-file={}", munge("key")),
                &format!("--pid-file={}", munge("pid")),
                &format!("--log-file={}", munge("log")),
                &format!("--seed-file={}", munge("seed")),
            ],
        );
        wait_for("munged", || folder.join("munge/socket").exists().then_some(()));
        let controller = daemon("slurmctld", &["-D"]);
        let nodes = ["n1", "n2"].map(|node| (node, daemon("slurmd", &["-D", "-N", node])));
        let cluster = Self { folder: folder.to_owned(), munged, controller, nodes: nodes.into() };
        wait_for("two idle nodes", || {
            let seen = cluster.ask("sinfo", &["--noheader", "--Node", "--format=%T"]);
            (seen.lines().filter(|state| state.trim() == "idle").count() == 2).then_some(())
        });
        Ok(cluster)
    }

    /// Makes a command speak to this cluster.
    pub(crate) fn environment(&self, command: &mut Command) {
        command.env("SLURM_CONF", self.folder.join("slurm.conf"));
    }

    /// What one of Slurm's programs prints.
    fn ask(&self, name: &str, arguments: &[&str]) -> String {
        let mut command = Command::new(program(name).unwrap());
        self.environment(&mut command);
        let Output { stdout, .. } = command.args(arguments).output().unwrap();
        String::from_utf8_lossy(&stdout).into_owned()
    }

    /// As if a node lost its power: its daemon and all that it runs end at once.
    pub(crate) fn kill_node(&mut self, node: &str) {
        let position = self.nodes.iter().position(|(name, _)| *name == node).unwrap();
        let (_, mut daemon) = self.nodes.remove(position);
        daemon.kill().unwrap();
        daemon.wait().unwrap();
        self.kill_jobs(&format!("SLURMD_NODENAME={node}\0"));
    }

    /// Whether a job's process runs on a node.
    pub(crate) fn works(&self, node: &str) -> bool {
        !self.processes(&format!("SLURMD_NODENAME={node}\0")).is_empty()
    }

    /// Processes of this cluster's jobs whose environment has `mark`, as folders of `/proc`.
    fn processes(&self, mark: &str) -> Vec<PathBuf> {
        let own = self.folder.join("slurm.conf").display().to_string();
        let folders = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let is_own = |folder: &PathBuf| {
            let variables = fs::read(folder.join("environ")).unwrap_or_default();
            let variables = String::from_utf8_lossy(&variables);
            variables.contains(&own) && variables.contains(mark)
        };
        folders.filter(is_own).collect()
    }

    /// Kills processes of jobs, and before them who would report their end.
    fn kill_jobs(&self, mark: &str) {
        let kill = |process: &str| {
            let _ = Command::new("kill").args(["-9", process]).output();
        };
        for folder in self.processes(mark) {
            let status = fs::read_to_string(folder.join("status")).unwrap_or_default();
            let parent =
                status.lines().find_map(|line| line.strip_prefix("PPid:")).map(str::trim).unwrap_or_default();
            let name = fs::read_to_string(Path::new("/proc").join(parent).join("comm")).unwrap_or_default();
            if name.starts_with("slurmstepd") {
                kill(parent);
            }
            kill(&folder.file_name().unwrap_or_default().to_string_lossy());
        }
    }
}

#[cfg(target_os = "linux")]
fn is_owned_by_root(metadata: &fs::Metadata) -> bool {
    std::os::linux::fs::MetadataExt::st_uid(metadata) == 0
}

#[cfg(not(target_os = "linux"))]
fn is_owned_by_root(_: &fs::Metadata) -> bool {
    false
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let nodes = self.nodes.iter_mut().map(|(_, daemon)| daemon);
        for daemon in nodes.chain([&mut self.controller, &mut self.munged]) {
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
        // What is left of jobs.
        self.kill_jobs("SLURM_JOB_ID=");
    }
}
