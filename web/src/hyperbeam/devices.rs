//! Devices of HyperBEAM that are asked for by themselves: their names would be taken for ids.

use crate::error::HttpError;

/// Those that are called without a `~`.
const NAMES: [&str; 3] = ["push", "compute", "now"];

/// Refuses a plain path that is the name of a device alone.
///
/// # Errors
/// When it is: none of them is here.
pub(super) fn check_device(path: &str) -> Result<(), HttpError> {
    let name = path.strip_prefix('/').unwrap_or(path);
    let is_device = !name.contains('/') && (name.starts_with('~') || NAMES.contains(&name));
    if !is_device {
        return Ok(());
    }
    Err(HttpError::not_found(format!(
        "there is no device {name:?} here: this is a scheduler, which answers /~scheduler@1.0/schedule and /PROCESS/slot"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_alone_is_not_here_and_no_id() {
        for (path, is_here) in [
            ("/push", false),
            ("/compute", false),
            ("/now", false),
            ("/~relay@1.0", false),
            ("/~scheduler@1.0", false),
            ("/~scheduler@1.0/schedule", true),
            ("/", true),
            ("/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", true),
            ("/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/push", true),
            ("/pushed", true),
        ] {
            assert_eq!(check_device(path).is_ok(), is_here, "{path}");
        }
    }
}
