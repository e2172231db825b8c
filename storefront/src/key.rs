//! The key behind order tokens. It outlives the process: a token that a visitor holds is still good
//! after a restart.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use uuid::Uuid;

const SHORTEST: usize = 16;

/// A key given by the operator, of 16 characters or more.
#[derive(Clone)]
pub struct Secret(String);

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.len() < SHORTEST {
            return Err(format!(
                "a key of {} characters can be guessed; use {SHORTEST} or more, such as from `openssl rand -hex 32`",
                text.len()
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    /// Leaves the key out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// The given key, else the kept one, which is made when there is none.
pub(crate) fn load(given: Option<&Secret>) -> anyhow::Result<Vec<u8>> {
    match given {
        Some(secret) => Ok(secret.0.clone().into_bytes()),
        None => {
            let path = kept_at()?;
            kept(&path)
                .with_context(|| format!("keep the storefront's key in {}; or set STOREFRONT_SECRET", path.display()))
        }
    }
}

fn kept_at() -> anyhow::Result<PathBuf> {
    let state = match std::env::var_os("XDG_STATE_HOME").filter(|dir| Path::new(dir).is_absolute()) {
        Some(dir) => PathBuf::from(dir),
        None => std::env::home_dir()
            .filter(|home| home.is_absolute())
            .context("no home directory to keep the storefront's key in: set STOREFRONT_SECRET or XDG_STATE_HOME")?
            .join(".local/state"),
    };
    Ok(state.join("shopwindow/storefront.key"))
}

/// The key in the file at `path`. A file that is not there is made, whole or not at all: of several
/// shops that start at once, one makes it, and all use that one.
fn kept(path: &Path) -> anyhow::Result<Vec<u8>> {
    if let Some(key) = read(path)? {
        return Ok(key);
    }
    let dir = path.parent().context("the path of the key has no directory")?;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let draft = dir.join(format!("storefront.key.{}", Uuid::new_v4().simple()));
    let made = write(&draft).and_then(|()| match fs::hard_link(&draft, path) {
        // another shop was faster
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    let removed = fs::remove_file(&draft);
    made?;
    removed?;
    read(path)?.context("the file was there and is gone")
}

fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text?,
    };
    let key = text.trim();
    if key.len() < SHORTEST {
        bail!("the file holds no key; remove it, and a new one is made");
    }
    Ok(Some(key.as_bytes().to_vec()))
}

fn write(path: &Path) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    // 244 bits from the system's random source
    writeln!(file, "{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn empty_dir() -> PathBuf {
        let dir = std::env::temp_dir().join(format!("storefront-key-{}", Uuid::new_v4().simple()));
        fs::create_dir(&dir).expect("a new directory");
        dir
    }

    #[test]
    fn shops_that_start_at_once_share_one_key_that_only_their_user_can_read() {
        let dir = empty_dir();
        let path = dir.join("shopwindow/storefront.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let starts: Vec<_> = (0..8).map(|_| scope.spawn(|| kept(&path).expect("a key"))).collect();
            starts.into_iter().map(|start| start.join().expect("a thread that ends")).collect()
        });
        assert!(keys.iter().all(|key| key == &keys[0]));
        assert_eq!(keys[0].len(), 64);
        assert_eq!(fs::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.join("shopwindow")).expect("a directory").count(), 1);
        fs::remove_dir_all(dir).expect("ours to remove");
    }

    #[test]
    fn an_empty_key_file_is_an_error_and_not_a_weak_key() {
        let dir = empty_dir();
        let path = dir.join("storefront.key");
        fs::write(&path, "\n").expect("a file");
        assert!(kept(&path).is_err());
        fs::remove_dir_all(dir).expect("ours to remove");
    }
}
