//! What this program was built from.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Facts of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Build {
    pub version: String,
    /// The commit; `null` where it was built outside of the Makefile.
    pub commit: Option<String>,
    /// `release` or `debug`.
    pub profile: String,
    /// `x86_64-linux`
    pub target: String,
    /// The compiler; `null` where it was built outside of the Makefile.
    pub rustc: Option<String>,
}

impl Build {
    /// Of the program that runs this. The Makefile tells the commit and the compiler.
    #[must_use]
    pub fn this() -> Self {
        let told = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(str::to_owned);
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: told(option_env!("STEADFAST_COMMIT")),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.to_owned(),
            target: format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS),
            rustc: told(option_env!("STEADFAST_RUSTC")),
        }
    }

    /// `0.1.0 (abc1234)`
    #[must_use]
    pub fn short(&self) -> String {
        match &self.commit {
            Some(commit) => format!("{} ({commit})", self.version),
            None => self.version.clone(),
        }
    }
}
