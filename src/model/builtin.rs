//! The models that travel inside the program, and models from files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::ModelError;
use super::weights::Model;

/// Name and weights file of each built-in model.
const BUILTIN: [(&str, &[u8]); 2] = [
    (
        "v1",
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/models/v1.safetensors"
        )),
    ),
    (
        "v2",
        include_bytes!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/models/v2.safetensors"
        )),
    ),
];

/// Largest weights file that is read: room for [`super::MAX_PARAMETERS`] and their description.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// Names of the built-in models.
#[must_use]
pub fn builtin_models() -> [&'static str; 2] {
    BUILTIN.map(|(name, _)| name)
}

impl Model {
    /// Loads a built-in model by name, or a weights file where `name_or_path` ends in
    /// `.safetensors` or holds a `/`.
    ///
    /// # Errors
    /// [`ModelError::UnknownName`], [`ModelError::Read`], and those of
    /// [`Model::from_safetensors`].
    pub fn load(name_or_path: &str) -> Result<Self, ModelError> {
        if let Some((name, bytes)) = BUILTIN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::from_safetensors(&format!("built-in model {name}"), bytes);
        }
        if name_or_path.ends_with(".safetensors") || name_or_path.contains('/') {
            return Self::from_file(Path::new(name_or_path));
        }
        Err(ModelError::UnknownName {
            found: name_or_path.to_owned(),
            expected: builtin_models().join(", "),
        })
    }

    /// Loads a weights file.
    ///
    /// # Errors
    /// [`ModelError::Read`], and those of [`Model::from_safetensors`].
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        let file = path.display().to_string();
        let mut bytes = Vec::new();
        let read = File::open(path)
            .and_then(|opened| opened.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
        if let Err(error) = read {
            return Err(ModelError::Read { file, error });
        }
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(ModelError::Container {
                file,
                error: format!("more than {MAX_FILE_BYTES} bytes"),
            });
        }
        Self::from_safetensors(&file, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{V1_MAX_PARAMETERS, V2_MAX_PARAMETERS};

    #[test]
    fn built_in_models_load_and_keep_their_limits() {
        for (name, limit) in [("v1", V1_MAX_PARAMETERS), ("v2", V2_MAX_PARAMETERS)] {
            assert!(builtin_models().contains(&name));
            let model = Model::load(name).unwrap();
            assert_eq!(model.description().name, name);
            assert!(model.description().parameters() <= limit, "{name}");
        }
    }

    #[test]
    fn a_file_loads_as_the_built_in_model_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("copy.safetensors");
        std::fs::write(&path, BUILTIN[1].1).unwrap();
        let model = Model::load(path.to_str().unwrap()).unwrap();
        assert!(model == Model::load("v2").unwrap());
    }

    #[test]
    fn what_cannot_be_loaded_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let huge = File::create(at("huge.safetensors")).unwrap();
        huge.set_len(MAX_FILE_BYTES + 1).unwrap();
        std::fs::write(at("cut.safetensors"), &BUILTIN[0].1[..100_000]).unwrap();
        let rows = [
            (
                "v3".to_owned(),
                "model \"v3\" is not built in, expected one of v1, v2 or the path of a file".into(),
            ),
            (
                at("absent"),
                format!("{}: cannot be read: No such file", at("absent")),
            ),
            (
                at("huge.safetensors"),
                format!(
                    "{}: not a complete safetensors file: more than 8388608 bytes",
                    at("huge.safetensors")
                ),
            ),
            (
                at("cut.safetensors"),
                format!(
                    "{}: not a complete safetensors file: ",
                    at("cut.safetensors")
                ),
            ),
        ];
        for (name, expected) in rows {
            let found = Model::load(&name).unwrap_err().to_string();
            assert!(found.starts_with(&expected), "{found}");
        }
    }
}
