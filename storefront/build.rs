//! Rebuilds the crate when a page or a picture is added: the macro that embeds them cannot see that
//! itself.

fn main() {
    println!("cargo:rerun-if-changed=../templates/shop");
    println!("cargo:rerun-if-changed=../static/shop");
}
