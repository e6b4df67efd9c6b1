//! asfaleia watches a home with a Raspberry Pi: see the library for how it is built.

use std::process::ExitCode;

fn main() -> ExitCode {
    // rustls has no default: what speaks TLS later finds this one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    asfaleia::cli::main()
}
