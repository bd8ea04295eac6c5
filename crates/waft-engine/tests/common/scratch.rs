//! Directories of tests' own, and caches in them.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use waft::*;

/// A directory of a test's own, removed afterwards.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("waft-{name}-{}-{count}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// A cache in a directory of its own, and what it reported.
pub(crate) struct TestCache {
    pub(crate) cache: Cache,
    pub(crate) folder: Scratch,
    notes: Arc<Mutex<Vec<String>>>,
}

impl TestCache {
    pub(crate) fn new(name: &str) -> Self {
        Self::with(name, |_| {})
    }

    /// With what `setup` adds to the configuration.
    pub(crate) fn with(name: &str, setup: impl FnOnce(&mut CacheConfig)) -> Self {
        let folder = Scratch::new(name);
        let notes = Arc::new(Mutex::new(Vec::new()));
        let mut config = CacheConfig::new();
        let heard = notes.clone();
        config
            .with_directory(folder.0.join("cache"))
            .with_reporter(move |note| heard.lock().unwrap().push(note.to_owned()));
        setup(&mut config);
        Self { cache: Cache::new(config).unwrap(), folder, notes }
    }

    /// Where its key is.
    pub(crate) fn key(&self) -> PathBuf {
        self.cache.directory().join("key")
    }

    /// What else is in its directory, by name.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let mut files: Vec<_> =
            fs::read_dir(self.cache.directory()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|file| *file != self.key());
        files.sort();
        files
    }

    /// Its only file.
    #[track_caller]
    pub(crate) fn file(&self) -> PathBuf {
        let files = self.files();
        assert_eq!(files.len(), 1, "{files:?}");
        files.into_iter().next().unwrap()
    }

    /// An engine that uses it.
    pub(crate) fn engine(&self) -> Engine {
        self.engine_with(&mut whole())
    }

    /// An engine of this setup that uses it.
    pub(crate) fn engine_with(&self, config: &mut Config) -> Engine {
        Engine::new(config.cache(Some(self.cache.clone()))).unwrap()
    }

    /// Hits and misses so far.
    pub(crate) fn counts(&self) -> (u64, u64) {
        (self.cache.cache_hits(), self.cache.cache_misses())
    }

    /// What was reported since the last call.
    pub(crate) fn notes(&self) -> Vec<String> {
        std::mem::take(&mut self.notes.lock().unwrap())
    }

    /// Nothing was reported since the last call.
    #[track_caller]
    pub(crate) fn is_silent(&self) {
        assert_eq!(self.notes(), [""; 0]);
    }

    /// One thing was reported since the last call, with all of `parts`.
    #[track_caller]
    pub(crate) fn says(&self, parts: &[&str]) {
        let notes = self.notes();
        assert_eq!(notes.len(), 1, "{notes:?}");
        for part in parts {
            assert!(notes[0].contains(part), "{part:?} is not in: {}", notes[0]);
        }
        assert!(!notes[0].contains('\n'), "{}", notes[0]);
    }
}

/// A setup that compiles modules as a whole.
pub(crate) fn whole() -> Config {
    Config::new().tier(TierChoice::Optimized).clone()
}
