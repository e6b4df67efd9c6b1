//! The JSON Schema of the file, for editors and other programs.

/// The schema, as text. It lies in `config/`, written by the test below from the types that read the
/// file: what makes it is no part of the program.
pub fn schema() -> &'static str {
    include_str!("../../config/asfaleia.schema.json")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::schema;
    use crate::config::raw::RawFile;

    /// After a change of the keys: `WRITE=1 cargo test --lib the_schema_is_what`.
    #[test]
    fn the_schema_is_what_the_keys_are_read_by() {
        let mut generated = schemars::schema_for!(RawFile).to_value();
        without_null(&mut generated);
        let generated = format!("{generated:#}\n");
        if std::env::var_os("WRITE").is_some() {
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/asfaleia.schema.json");
            std::fs::write(file, &generated).unwrap();
            return;
        }
        assert!(
            schema() == generated,
            "the keys have changed: write the schema anew"
        );
    }

    /// A key that may be left out is `null` to schemars; TOML has no such thing.
    fn without_null(schema: &mut Value) {
        match schema {
            Value::Object(object) => {
                if let Some(Value::Array(types)) = object.get_mut("type") {
                    types.retain(|kind| kind != "null");
                    if let [one] = types.as_slice() {
                        let one = one.clone();
                        object.insert("type".to_owned(), one);
                    }
                }
                if let Some(Value::Array(choices)) = object.get_mut("anyOf") {
                    choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
                    if let [Value::Object(one)] = choices.as_slice() {
                        let one = one.clone();
                        object.remove("anyOf");
                        for (key, value) in one {
                            object.entry(key).or_insert(value);
                        }
                    }
                }
                object.values_mut().for_each(without_null);
            }
            Value::Array(items) => items.iter_mut().for_each(without_null),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
}
