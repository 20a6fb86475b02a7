//! Which public files may be asked for from outside, and by which name.

use dab_proof::tile::{BundlePath, TilePath};

/// The name of the latest checkpoint.
pub(crate) const CHECKPOINT: &str = "checkpoint";

/// The file that `asked` names, written anew from what was parsed of it: nothing but the one spelling that C2SP
/// tlog-tiles gives a tile or an entry bundle leads anywhere. `None` for everything else.
pub(crate) fn public_path(asked: &str) -> Option<String> {
    if asked == CHECKPOINT {
        return Some(asked.to_owned());
    }
    let tile = asked.parse::<TilePath>().map(|path| path.to_string());
    let path = tile.or_else(|_| asked.parse::<BundlePath>().map(|path| path.to_string()));
    path.ok().filter(|path| path == asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_proper_names_of_public_files_lead_anywhere() {
        for path in [
            "checkpoint",
            "tile/0/000",
            "tile/1/x001/067.p/8",
            "tile/entries/000.p/255",
        ] {
            assert_eq!(public_path(path).as_deref(), Some(path));
        }
        for path in [
            "",
            "/checkpoint",
            "checkpoint/",
            ".writing",
            "../private/log.key",
            "tile/../../private/log.key",
            "tile/0/../000",
            "tile/0/0",
            "tile/0/000.p/256",
            "tile/00/000",
            "tile/entries/x000/000",
            "tile/entries/000\0",
        ] {
            assert_eq!(public_path(path), None, "{path:?}");
        }
    }
}
