//! Full disks: a small file system under PostgreSQL's or Kafka's data.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _, stderr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::unistd::{getgid, getuid};

use crate::dir::{Dir, wait_until};
use crate::pipeline::Pipeline;

/// A file system of its own in memory. Who may not mount one in the machine's name does so in a namespace of his own,
/// which its programs are then run in.
pub(crate) struct Disk {
    path: PathBuf,
    /// The process that keeps the namespace.
    namespace: Option<Child>,
}

impl Disk {
    pub(crate) fn mount(path: PathBuf, megabytes: u32) -> Result<Self, String> {
        let size = format!("size={megabytes}m");
        let mount = ["mount", "-t", "tmpfs", "-o", &size, "none"];
        if getuid().is_root() && run(Command::new(mount[0]).args(&mount[1..]).arg(&path)).is_ok() {
            return Ok(Self { path, namespace: None });
        }
        let mut keeper = Command::new("unshare");
        // named by the environment, for the keeper is none of the processes that must end
        keeper
            .args(["-Urm", "sh", "-c", r#""$@" "$DISK" && echo mounted && read -r _"#, "sh"])
            .args(mount)
            .env("DISK", &path);
        let keeper = keeper.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().map_err(|error| error.to_string())?;
        let mut disk = Self { path, namespace: Some(keeper) };
        disk.until_mounted()?;
        Ok(disk)
    }

    fn until_mounted(&mut self) -> Result<(), String> {
        let output = self.namespace.as_mut().unwrap().stdout.take().unwrap();
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut line).unwrap();
        if line == "mounted\n" { Ok(()) } else { Err("neither mount nor unshare -Urm works here".into()) }
    }

    /// What a program is run with to see the file system, and to be who it would be without.
    pub(crate) fn wrapper(&self) -> Vec<String> {
        let Some(namespace) = &self.namespace else { return Vec::new() };
        let enter = format!("nsenter --preserve-credentials -U -m -t {}", namespace.id());
        let be_oneself = format!("unshare -U --map-user={} --map-group={} --", getuid(), getgid());
        enter.split(' ').chain(be_oneself.split(' ')).map(str::to_owned).collect()
    }

    /// What takes all the room, as seen from outside of the namespace.
    fn ballast(&self) -> PathBuf {
        let root = self.namespace.as_ref().map_or("/".into(), |process| format!("/proc/{}/root", process.id()));
        Path::new(&root).join(self.path.strip_prefix("/").unwrap()).join("ballast")
    }

    /// Takes all the room that there is.
    fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.ballast()).unwrap();
        for piece in [1 << 16, 1 << 12, 1] {
            let error = loop {
                if let Err(error) = file.write_all(&vec![b'x'; piece]) {
                    break error;
                }
            };
            assert_eq!(error.kind(), ErrorKind::StorageFull);
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        match &mut self.namespace {
            Some(keeper) => {
                _ = keeper.kill();
                _ = keeper.wait();
            }
            None => _ = run(Command::new("umount").arg("--lazy").arg(&self.path)),
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Ok(status) if status.success() => Ok(()),
        other => Err(format!("{command:?}: {other:?}")),
    }
}

/// A directory with a small disk; none, which is said past the capture of a test's output, where that cannot be.
fn small_disk(server: &str, megabytes: u32) -> Option<Dir> {
    let dir = Dir::with_small_disk(server, megabytes);
    if let Err(problem) = &dir {
        _ = writeln!(stderr(), "NOT TESTED: a full disk of {server}: {problem}");
    }
    dir.ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn when_postgresqls_disk_is_full_it_is_said_and_once_there_is_room_nothing_is_lost() {
    let Some(dir) = small_disk("postgres", 250) else { return };
    let full =
        format!("the disk of {} is full: make room there and start again", dir.path().join("postgres").display());
    let mut pipeline = Pipeline::start_in(dir);
    pipeline.revive(1);
    pipeline.publish(100).await;
    pipeline.assert_exact().await;

    // rows find no room: whoever writes waits
    let file = pipeline.file(30_000);
    let replay = pipeline.replay(&file, &["--rate", "5000"]);
    pipeline.until("select (count(*) > 1000)::int::bigint from events", 1).await;
    pipeline.dir.disk().fill();
    wait_until("the consumer says why it waits", || {
        pipeline.dir.said("consumer").contains("PostgreSQL's disk is full: make room where its data is")
    });
    pipeline.dir.disk().make_room();
    assert!(replay.wait().success());
    pipeline.assert_exact().await;

    // its log finds no room: PostgreSQL ends, and with it all
    pipeline.dir.disk().fill();
    pipeline.publish(5_000).await;
    let mut database = pipeline.dir.database().await;
    let log_a_megabyte = "select pg_logical_emit_message(true, 'test', repeat(md5(random()::text), 30000))";
    let mut logged = 0;
    while sqlx::raw_sql(log_a_megabyte).execute(&mut database).await.is_ok() {
        logged += 1;
        assert!(logged < 400, "the disk is not full");
    }
    pipeline.await_end_of_services();
    assert!(pipeline.dir.said("services").contains(&full), "{}", pipeline.dir.said("services"));
    _ = fs::remove_file(pipeline.dir.path().join("services.log"));
    assert_eq!(pipeline.dir.begin().wait().code(), Some(1));
    assert!(pipeline.dir.said("services").contains(&full), "{}", pipeline.dir.said("services"));

    pipeline.dir.disk().make_room();
    pipeline.revive(1);
    pipeline.assert_exact().await;
    pipeline.end();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_kafkas_disk_is_full_it_is_said_and_once_there_is_room_nothing_is_lost() {
    let Some(dir) = small_disk("kafka", 100) else { return };
    let full = format!("the disk of {} is full: make room there and start again", dir.path().join("kafka").display());
    let mut pipeline = Pipeline::start_in(dir);
    pipeline.revive(1);
    pipeline.publish(100).await;
    let trickle = pipeline.trickle();
    let file = pipeline.file(30_000);
    let replay = pipeline.replay(&file, &[]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    pipeline.dir.disk().fill();
    pipeline.await_end_of_services();
    assert!(pipeline.dir.said("services").contains(&full), "{}", pipeline.dir.said("services"));
    _ = fs::remove_file(pipeline.dir.path().join("services.log"));
    assert_eq!(pipeline.dir.begin().wait().code(), Some(1));
    assert!(pipeline.dir.said("services").contains(&full), "{}", pipeline.dir.said("services"));

    pipeline.dir.disk().make_room();
    pipeline.revive(1);
    trickle.end(&mut pipeline).await;
    // the same replay goes on
    assert!(replay.wait().success());
    pipeline.replay_to_end(&[&file]);
    pipeline.assert_exact().await;
    pipeline.end();
}
