//! The settings in `.env`, as existing deployments keep them.

use crate::failure::Failure;

/// Makes environment variables of the lines of `.env`, in this folder or one above it; what is set already stays.
///
/// # Errors
/// When there is such a file and it cannot be read or understood. Its text is not in the error: it may be secret.
pub fn read_env_file() -> Result<(), Failure> {
    let reason = match dotenvy::dotenv() {
        Ok(_) => return Ok(()),
        Err(error) if error.not_found() => return Ok(()),
        Err(dotenvy::Error::LineParse(_, column)) => format!("a line breaks off at its character {column}"),
        Err(error) => error.to_string(),
    };
    Err(Failure::EnvFile(reason))
}
