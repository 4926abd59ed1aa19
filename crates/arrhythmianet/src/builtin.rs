//! The models that travel inside the program, and models from files.

use std::path::{Path, PathBuf};

use ecg_files::read_whole;

use super::error::ModelError;
use super::model::{INT8_SUFFIX, Model};

/// Name and weights file of each built-in model.
const BUILTIN: &[(&str, &[u8])] = &[
    ("v1", include_bytes!("../models/v1.safetensors")),
    ("v2", include_bytes!("../models/v2.safetensors")),
    (
        "v1-context",
        include_bytes!("../models/v1-context.safetensors"),
    ),
    (
        "v2-context",
        include_bytes!("../models/v2-context.safetensors"),
    ),
];

/// The network that labels beats wherever no other is asked for: of the built-in ones the best on
/// patients it has never seen. Everything that has a default takes this.
pub const DEFAULT_MODEL: &str = "v1-context";

/// Largest weights file that is read: room for [`super::MAX_PARAMETERS`] and their description.
const MAX_FILE_BYTES: u64 = 8 << 20;

/// Folder of the working directory that is searched for models that are not built in.
const MODELS_FOLDER: &str = "models/evaluation";

/// Environment variable that names a folder to be searched before [`MODELS_FOLDER`].
const MODELS_VARIABLE: &str = "ECG_MODELS";

/// Names of the built-in models.
#[must_use]
pub fn builtin_models() -> Vec<&'static str> {
    BUILTIN.iter().map(|(name, _)| *name).collect()
}

impl Model {
    /// Loads a built-in model by name, or a weights file where `name_or_path` ends in
    /// `.safetensors` or holds a `/`; any other name is that of a file `NAME.safetensors` in the
    /// folder `$ECG_MODELS` or in `models/evaluation`. With `-int8` behind the name it is the int8
    /// variant ([`Model::into_int8`]).
    ///
    /// # Errors
    /// [`ModelError::UnknownName`], [`ModelError::Read`], and those of
    /// [`Model::from_safetensors`].
    pub fn load(name_or_path: &str) -> Result<Self, ModelError> {
        if let Some(base) = name_or_path.strip_suffix(INT8_SUFFIX) {
            return Self::load(base)?.into_int8();
        }
        if let Some((name, bytes)) = BUILTIN.iter().find(|(name, _)| *name == name_or_path) {
            return Self::from_safetensors(&format!("built-in model {name}"), bytes);
        }
        if name_or_path.ends_with(".safetensors") || name_or_path.contains('/') {
            return Self::from_file(Path::new(name_or_path));
        }
        let folders: Vec<PathBuf> = std::env::var_os(MODELS_VARIABLE)
            .map(PathBuf::from)
            .into_iter()
            .chain([PathBuf::from(MODELS_FOLDER)])
            .collect();
        Self::find(name_or_path, &folders)
    }

    fn find(name: &str, folders: &[PathBuf]) -> Result<Self, ModelError> {
        let paths: Vec<PathBuf> = folders
            .iter()
            .map(|folder| folder.join(format!("{name}.safetensors")))
            .collect();
        match paths.iter().find(|path| path.exists()) {
            Some(path) => Self::from_file(path),
            None => Err(ModelError::UnknownName {
                found: name.to_owned(),
                expected: builtin_models().join(", "),
                searched: paths
                    .iter()
                    .map(|path| path.display().to_string())
                    .collect::<Vec<_>>()
                    .join(" or "),
            }),
        }
    }

    /// Loads a weights file.
    ///
    /// # Errors
    /// [`ModelError::Read`], and those of [`Model::from_safetensors`].
    pub fn from_file(path: &Path) -> Result<Self, ModelError> {
        let file = path.display().to_string();
        let bytes = match read_whole(path, MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(error) => return Err(ModelError::Read { file, error }),
        };
        Self::from_safetensors(&file, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{V1_MAX_PARAMETERS, V2_MAX_PARAMETERS};

    #[test]
    fn built_in_models_load_and_keep_their_limits() {
        for (name, limit) in [
            ("v1", V1_MAX_PARAMETERS),
            ("v2", V2_MAX_PARAMETERS),
            ("v1-context", V1_MAX_PARAMETERS),
            ("v2-context", V2_MAX_PARAMETERS),
        ] {
            assert!(builtin_models().contains(&name));
            let model = Model::load(name).unwrap();
            assert_eq!(model.description().name, name);
            let network = model.description();
            assert!(
                network.parameters() + network.novelty_values() <= limit,
                "{name}"
            );
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
    fn a_name_is_looked_for_in_the_folders_in_turn() {
        let directory = tempfile::tempdir().unwrap();
        let folders = ["first", "second"].map(|name| directory.path().join(name));
        std::fs::create_dir(&folders[1]).unwrap();
        std::fs::write(folders[1].join("mine.safetensors"), BUILTIN[1].1).unwrap();
        let model = Model::find("mine", &folders).unwrap();
        assert!(model == Model::load("v2").unwrap());
        let error = Model::find("other", &folders).unwrap_err().to_string();
        for folder in &folders {
            let path = folder.join("other.safetensors").display().to_string();
            assert!(error.contains(&path), "{error}");
        }
    }

    #[test]
    fn what_cannot_be_loaded_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name).display().to_string();
        let huge = std::fs::File::create(at("huge.safetensors")).unwrap();
        huge.set_len(MAX_FILE_BYTES + 1).unwrap();
        std::fs::write(at("cut.safetensors"), &BUILTIN[0].1[..100_000]).unwrap();
        let rows = [
            (
                "v3".to_owned(),
                "model \"v3\" is not built in and not in ".into(),
            ),
            (
                at("absent"),
                format!("{}: cannot be read: No such file", at("absent")),
            ),
            (
                at("huge.safetensors"),
                format!(
                    "{}: cannot be read: 8388609 bytes, expected at most 8388608",
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
