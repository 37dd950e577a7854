//! The artifact of a model version: a folder with `graph.pt` (TorchScript) and `manifest.json`.
//!
//! The manifest holds the SHA-256 of the graph, and the artifact is known by the SHA-256 of the manifest: neither file can
//! change unseen. The worker writes and reads it; the server only moves it and checks its hash.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::protocol::{MAX_SIGNALS, MAX_WINDOW, MAX_WINDOW_VALUES, TrainSpec};

/// The version of the shape of the manifest.
pub const MANIFEST_FORMAT: u32 = 1;
/// The format of the graph, as model versions name it.
pub const GRAPH_FORMAT: &str = "torchscript";
/// Scores above it are abnormal: [`score`] of an error that is just at its limit.
pub const SCORE_LIMIT: f64 = 0.5;

const GRAPH_FILE: &str = "graph.pt";
const MANIFEST_FILE: &str = "manifest.json";
const MAX_MANIFEST_BYTES: u64 = 1024 * 1024;
const MAX_GRAPH_BYTES: u64 = 512 * 1024 * 1024;

/// Maps an error (0 or more) to a score: 0 at no error, 0.5 at the limit, towards 1 above it. Keeps the order of errors.
pub fn score(error: f64, limit: f64) -> f64 {
    if error.is_infinite() {
        return 1.0;
    }
    error / (error + limit)
}

/// All that is needed to run the graph, besides the graph.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    pub format: u32,
    /// The version of the code that trained it.
    pub code_version: String,
    pub libtorch: String,
    /// Hex SHA-256 of the graph.
    pub graph_sha256: String,
    pub spec: TrainSpec,
    /// Per signal.
    pub scaling: Vec<Scaling>,
    /// Per signal: its mean squared error (standardised) in healthy windows. Above 0.
    pub healthy_error: Vec<f64>,
    /// The error of a window (see [`score`]) above which it is abnormal. Above 0.
    pub error_limit: f64,
}

/// How one signal is standardised: (value - centre) / scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scaling {
    pub centre: f64,
    /// Above 0.
    pub scale: f64,
    /// The level of the signal drifts even in health: each window is centred on its own mean, not on `centre`.
    pub wanders: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    #[error("`{path}` cannot be read: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("`{path}` cannot be written: {source}")]
    Write { path: PathBuf, source: io::Error },
    #[error("`{path}` is larger than {limit} bytes")]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("`{path}` has hash {found}, not {expected}")]
    WrongHash {
        path: PathBuf,
        found: String,
        expected: String,
    },
    #[error("the manifest has format {found}; known is {MANIFEST_FORMAT}")]
    Format { found: u32 },
    #[error("the manifest is malformed: {0}")]
    Malformed(String),
}

impl ArtifactError {
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Read { .. } | Self::Write { .. })
    }
}

impl Manifest {
    /// Refuses what no training wrote.
    fn check(&self) -> Result<(), ArtifactError> {
        let malformed = |reason: &str| Err(ArtifactError::Malformed(reason.to_owned()));
        if self.format != MANIFEST_FORMAT {
            return Err(ArtifactError::Format { found: self.format });
        }
        let signals = self.spec.signals.len();
        if signals == 0 || signals > MAX_SIGNALS as usize {
            return malformed("the number of signals is out of range");
        }
        if self.spec.window == 0 || self.spec.window > MAX_WINDOW {
            return malformed("the window is out of range");
        }
        if signals * self.spec.window as usize > MAX_WINDOW_VALUES {
            return malformed("a window has too many values");
        }
        if self.scaling.len() != signals || self.healthy_error.len() != signals {
            return malformed("a column does not fit the signals");
        }
        if !self
            .scaling
            .iter()
            .all(|scaling| scaling.centre.is_finite() && is_positive(scaling.scale))
        {
            return malformed("a scale is not above 0");
        }
        if !self.healthy_error.iter().all(|error| is_positive(*error))
            || !is_positive(self.error_limit)
        {
            return malformed("an error in health or its limit is not above 0");
        }
        Ok(())
    }
}

fn is_positive(value: f64) -> bool {
    value.is_finite() && value > 0.0
}

/// The path of the graph in the artifact `folder`.
pub fn graph_path(folder: &Path) -> PathBuf {
    folder.join(GRAPH_FILE)
}

/// The hash of a graph that lies in `folder`, as [`Manifest::graph_sha256`] wants it.
pub fn hash_graph(folder: &Path) -> Result<String, ArtifactError> {
    hash_file(&graph_path(folder), MAX_GRAPH_BYTES)
}

/// Writes the manifest beside its graph, both durable, and gives the hash of the artifact.
pub fn write_manifest(folder: &Path, manifest: &Manifest) -> Result<String, ArtifactError> {
    let path = folder.join(MANIFEST_FILE);
    let bytes = serde_json::to_vec_pretty(manifest)
        .map_err(|error| ArtifactError::Malformed(error.to_string()))?;
    let write = || -> io::Result<()> {
        let mut file = File::create(&path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        File::open(graph_path(folder))?.sync_all()?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|source| ArtifactError::Write {
        path: path.clone(),
        source,
    })?;
    Ok(hex::encode(Sha256::digest(&bytes)))
}

/// Reads the manifest in `folder` and checks it, its hash (where `expected` is given) and the hash of the graph.
pub fn read(folder: &Path, expected: Option<&str>) -> Result<Manifest, ArtifactError> {
    let path = folder.join(MANIFEST_FILE);
    let bytes = read_bounded(&path, MAX_MANIFEST_BYTES)?;
    if let Some(expected) = expected {
        check_hash(&path, hex::encode(Sha256::digest(&bytes)), expected)?;
    }
    let manifest: Manifest = serde_json::from_slice(&bytes)
        .map_err(|error| ArtifactError::Malformed(error.to_string()))?;
    manifest.check()?;
    check_hash(
        &graph_path(folder),
        hash_graph(folder)?,
        &manifest.graph_sha256,
    )?;
    Ok(manifest)
}

fn check_hash(path: &Path, found: String, expected: &str) -> Result<(), ArtifactError> {
    if found == expected {
        return Ok(());
    }
    Err(ArtifactError::WrongHash {
        path: path.to_owned(),
        found,
        expected: expected.to_owned(),
    })
}

fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>, ArtifactError> {
    let read = |source| ArtifactError::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    File::open(path)
        .map_err(read)?
        .take(limit + 1)
        .read_to_end(&mut bytes)
        .map_err(read)?;
    if bytes.len() as u64 > limit {
        return Err(ArtifactError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    Ok(bytes)
}

fn hash_file(path: &Path, limit: u64) -> Result<String, ArtifactError> {
    let read = |source| ArtifactError::Read {
        path: path.to_owned(),
        source,
    };
    if fs::metadata(path).map_err(read)?.len() > limit {
        return Err(ArtifactError::TooLarge {
            path: path.to_owned(),
            limit,
        });
    }
    let mut file = File::open(path).map_err(read)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match file.read(&mut buffer).map_err(read)? {
            0 => return Ok(hex::encode(hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn manifest(folder: &Path) -> Manifest {
        fs::write(graph_path(folder), b"a graph").unwrap();
        Manifest {
            format: MANIFEST_FORMAT,
            code_version: "0".into(),
            libtorch: "0".into(),
            graph_sha256: hash_graph(folder).unwrap(),
            spec: TrainSpec::new(vec!["flow".into()], 1_000, 8),
            scaling: vec![Scaling {
                centre: 1.5,
                scale: 0.5,
                wanders: false,
            }],
            healthy_error: vec![0.1],
            error_limit: 3.0,
        }
    }

    #[test]
    fn an_artifact_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = manifest(folder.path());
        let hash = write_manifest(folder.path(), &manifest).unwrap();
        assert_eq!(read(folder.path(), Some(&hash)).unwrap(), manifest);
    }

    #[test]
    fn a_changed_graph_or_manifest_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let hash = write_manifest(folder.path(), &manifest(folder.path())).unwrap();
        fs::write(graph_path(folder.path()), b"another").unwrap();
        assert!(matches!(
            read(folder.path(), Some(&hash)),
            Err(ArtifactError::WrongHash { .. })
        ));

        let mut other = manifest(folder.path());
        other.error_limit = 4.0;
        write_manifest(folder.path(), &other).unwrap();
        assert!(matches!(
            read(folder.path(), Some(&hash)),
            Err(ArtifactError::WrongHash { .. })
        ));
    }

    #[test]
    fn a_manifest_that_no_training_wrote_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let sound = manifest(folder.path());
        let broken: [fn(&mut Manifest); 6] = [
            |manifest| manifest.scaling[0].scale = 0.0,
            |manifest| manifest.scaling.clear(),
            |manifest| manifest.error_limit = -1.0,
            |manifest| manifest.spec.signals.clear(),
            |manifest| manifest.spec.window = 0,
            |manifest| manifest.format = 2,
        ];
        for change in broken {
            let mut manifest = sound.clone();
            change(&mut manifest);
            write_manifest(folder.path(), &manifest).unwrap();
            assert!(read(folder.path(), None).is_err(), "{manifest:?}");
        }
        assert!(matches!(
            read(&folder.path().join("nowhere"), None),
            Err(ArtifactError::Read { .. })
        ));
    }

    proptest! {
        #[test]
        fn a_score_keeps_the_order_of_errors_and_its_limit(a in 0.0_f64..1e12, b in 0.0_f64..1e12, limit in 1e-6_f64..1e6) {
            let (low, high) = if a <= b { (a, b) } else { (b, a) };
            prop_assert!(score(low, limit) <= score(high, limit));
            prop_assert!((0.0..=1.0).contains(&score(high, limit)));
            prop_assert!((score(limit, limit) - SCORE_LIMIT).abs() < 1e-12);
        }
    }
}
