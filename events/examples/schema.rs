//! Prints the JSON Schema of the event; `make schema` writes it to where it is published.

fn main() {
    println!("{:#}", events::schema());
}
