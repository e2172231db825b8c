//! Makes sure that what is embedded exists, and says so when the page's script is not built yet.

use std::path::Path;

fn main() -> std::io::Result<()> {
    for folder in ["../templates/charts", "../static/dist"] {
        std::fs::create_dir_all(folder)?;
        println!("cargo:rerun-if-changed={folder}");
    }
    if !Path::new("../static/dist/charts.js").exists() {
        println!("cargo:warning=static/dist/charts.js is not built, so the charts page stays empty: run `make assets`");
    }
    Ok(())
}
