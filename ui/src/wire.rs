//! Reading what the agent writes.
//!
//! What flows through: JSON in, values of the contract out. What it never does: take a part for the whole; what does not fit is an error.

use std::fmt;

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, EnumAccess, Error as _, Expected, MapAccess,
        SeqAccess, Unexpected, VariantAccess, Visitor,
    },
};
use serde_json::{Map, Value};

/// Reads a value.
///
/// # Errors
/// Where the text is no such value.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Error> {
    let value = serde_json::from_str(text).map_err(|error| Error::told(format_args!("{error}")))?;
    T::deserialize(Reader(value))
}

/// Why a text is not what was expected, in words. As small as a pointer: it is handed on by everything that reads.
#[derive(Debug)]
pub struct Error(Box<Told>);

#[derive(Debug)]
struct Told {
    words: String,
}

impl Error {
    #[cold]
    #[inline(never)]
    fn told(words: fmt::Arguments<'_>) -> Self {
        Self(Box::new(Told {
            words: words.to_string(),
        }))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.words)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    /// A type that is read from text (a time, an id, an address) and refuses it has words of its own for each way to get it wrong. A browser
    /// would have to fetch those for what an agent of this version never sends: which type it was is enough.
    fn custom<T: fmt::Display>(_: T) -> Self {
        refused(std::any::type_name::<T>())
    }

    #[cold]
    #[inline(never)]
    fn invalid_type(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::told(format_args!("{found} instead of {wanted}"))
    }

    #[cold]
    #[inline(never)]
    fn invalid_value(found: Unexpected<'_>, wanted: &dyn Expected) -> Self {
        Self::told(format_args!("{found} instead of {wanted}"))
    }

    #[cold]
    #[inline(never)]
    fn invalid_length(found: usize, wanted: &dyn Expected) -> Self {
        Self::told(format_args!("{found} items instead of {wanted}"))
    }

    fn unknown_variant(found: &str, _: &'static [&'static str]) -> Self {
        unknown(found)
    }

    fn unknown_field(found: &str, _: &'static [&'static str]) -> Self {
        unknown(found)
    }

    #[cold]
    #[inline(never)]
    fn missing_field(name: &'static str) -> Self {
        Self::told(format_args!("`{name}` is missing"))
    }

    #[cold]
    #[inline(never)]
    fn duplicate_field(name: &'static str) -> Self {
        Self::told(format_args!("`{name}` is there twice"))
    }
}

#[cold]
#[inline(never)]
fn refused(by: &str) -> Error {
    Error::told(format_args!("a text is not what it stands for ({by})"))
}

#[cold]
#[inline(never)]
fn unknown(name: &str) -> Error {
    Error::told(format_args!("`{name}` is not known here"))
}

/// Reads a value of the contract out of JSON that was read before.
///
/// The contract's types can be read from anything that serde knows, and for each way in which a reader might offer something serde makes code
/// of its own. This one offers one way for each thing (a struct is an object, a name is text), so that a browser has a third less to
/// fetch. A type that is told by a tag among its fields is read by the tag's name; see `tagged` in `steward-api`.
struct Reader(Value);

impl Reader {
    fn unexpected<T>(&self, wanted: &str) -> Result<T, Error> {
        let found = match &self.0 {
            Value::Null => Unexpected::Unit,
            Value::Bool(value) => Unexpected::Bool(*value),
            Value::Number(_) => Unexpected::Other("a number"),
            Value::String(text) => Unexpected::Str(text),
            Value::Array(_) => Unexpected::Seq,
            Value::Object(_) => Unexpected::Map,
        };
        Err(Error::invalid_type(found, &wanted))
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0 {
            Value::Number(number) => {
                if let Some(value) = number.as_u64() {
                    visitor.visit_u64(value)
                } else if let Some(value) = number.as_i64() {
                    visitor.visit_i64(value)
                } else if let Some(value) = number.as_f64() {
                    visitor.visit_f64(value)
                } else {
                    self.unexpected("a number of this size")
                }
            }
            _ => self.unexpected("a number"),
        }
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match &self.0 {
            Value::String(text) => visitor.visit_str(text),
            _ => self.unexpected("text"),
        }
    }

    fn list<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(values) => {
                let mut items = Items(values.into_iter());
                let read = visitor.visit_seq(&mut items)?;
                match items.0.len() {
                    0 => Ok(read),
                    more => Err(Error::told(format_args!(
                        "the list is longer than expected, by {more}"
                    ))),
                }
            }
            _ => self.unexpected("a list"),
        }
    }

    fn object<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Object(map) => visitor.visit_map(Fields::of(map)),
            _ => self.unexpected("an object"),
        }
    }
}

/// Ways that come to the same.
macro_rules! all_by {
    ($way:ident: $($name:ident)+) => {
        $(fn $name<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$way(visitor)
        })+
    };
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Error;

    all_by! { number: deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32
    deserialize_u64 deserialize_f32 deserialize_f64 }
    all_by! { text: deserialize_char deserialize_str deserialize_string deserialize_identifier deserialize_bytes deserialize_byte_buf }
    all_by! { list: deserialize_seq }
    all_by! { object: deserialize_map }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(_) => self.number(visitor),
            Value::String(_) => self.text(visitor),
            Value::Array(_) => self.list(visitor),
            Value::Object(_) => self.object(visitor),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Bool(value) => visitor.visit_bool(value),
            _ => self.unexpected("true or false"),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            _ => self.unexpected("null"),
        }
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_unit(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.list(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.object(visitor)
    }

    /// Text is a name; an object is told by the field that the enum is named by.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::String(_) => visitor.visit_enum(Variant {
                tag: self.0,
                fields: None,
            }),
            Value::Object(mut fields) => match fields.remove(name) {
                Some(tag) => visitor.visit_enum(Variant {
                    tag,
                    fields: Some(fields),
                }),
                None => Err(Error::missing_field(name)),
            },
            _ => self.unexpected("a name"),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }
}

/// The items of a list.
struct Items(std::vec::IntoIter<Value>);

impl<'de> SeqAccess<'de> for &mut Items {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        self.0
            .next()
            .map(|value| seed.deserialize(Reader(value)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

/// The fields of an object.
struct Fields {
    rest: serde_json::map::IntoIter,
    value: Value,
}

impl Fields {
    fn of(map: Map<String, Value>) -> Self {
        Self {
            rest: map.into_iter(),
            value: Value::Null,
        }
    }
}

impl<'de> MapAccess<'de> for Fields {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((name, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = value;
        seed.deserialize(Reader(Value::String(name))).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        seed.deserialize(Reader(self.value.take()))
    }
}

/// One of an enum's variants: its name, and its fields where it may have some.
struct Variant {
    tag: Value,
    fields: Option<Map<String, Value>>,
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Error;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Content), Error> {
        let name = seed.deserialize(Reader(self.tag))?;
        Ok((name, Content(self.fields)))
    }
}

/// What a variant holds.
struct Content(Option<Map<String, Value>>);

impl Content {
    fn fields(self) -> Result<Map<String, Value>, Error> {
        self.0
            .ok_or_else(|| Error::told(format_args!("this name stands for something with fields")))
    }
}

impl<'de> VariantAccess<'de> for Content {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Reader(Value::Object(self.fields()?)))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, _: V) -> Result<V::Value, Error> {
        Err(Error::told(format_args!(
            "the contract has no lists behind a tag"
        )))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_map(Fields::of(self.fields()?))
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::Serialize;
    use steward_api::{
        DesktopHeard, Envelope, Health, IncidentChange, MetricPoint, Nothing, Page, Requester,
        ResourceList, StatusReply, TaskChange, Trouble, TroubleKind,
    };

    use super::*;
    use crate::samples;

    fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
        let text = serde_json::to_string(value).unwrap();
        assert_eq!(&read::<T>(&text).unwrap(), value);
    }

    #[test]
    fn everything_is_read_as_it_was_written() {
        let task = samples::task(3, "web");
        let incident = samples::incident(7, "web");
        for entry in [
            samples::changed(1, "web", Health::Healthy, Health::Unknown),
            samples::task_event(2, TaskChange::Created, &task),
            samples::incident_event(3, IncidentChange::Detected, &incident),
            samples::agent_started(4),
        ] {
            comes_back::<Envelope>(&entry);
        }
        comes_back::<ResourceList>(&samples::list(vec![
            samples::host(),
            samples::container_of("web", Health::Degraded, "shop"),
        ]));
        comes_back::<StatusReply>(&samples::status());
        comes_back(&Page {
            items: vec![task],
            next: Some(3),
        });
        comes_back(&MetricPoint {
            at: samples::at("12:00:00"),
            min: 1.0,
            mean: 1.5,
            max: 2e9,
            count: 3,
        });
        comes_back(&Nothing {});
        comes_back(&DesktopHeard::Open);
        comes_back(&DesktopHeard::Event {
            text: "{}".to_owned(),
        });
        comes_back(&DesktopHeard::Lost {
            trouble: Trouble {
                kind: TroubleKind::Unreachable,
                title: "a".to_owned(),
                advice: "b".to_owned(),
            },
        });
    }

    #[test]
    fn what_does_not_fit_is_an_error() {
        for text in ["", "{", "[]", "null", "{}}", "{}, \"value\": {}", "<html>"] {
            assert!(read::<StatusReply>(text).is_err(), "{text}");
        }
        for (text, wrong) in [
            (r#"{"type":"steward"}"#, None),
            (
                r#"{"type":"person","identity":"a","channel":"http","more":1}"#,
                None,
            ),
            (r#"{"type":"person","identity":"a"}"#, Some("channel")),
            (r#"{"type":"nobody"}"#, Some("nobody")),
            (r#"{"identity":"a"}"#, Some("type")),
            (r#""person""#, Some("fields")),
            (r#"{"type":7}"#, Some("text")),
            ("[]", Some("a name")),
        ] {
            match (read::<Requester>(text), wrong) {
                (Ok(_), None) => {}
                (Err(error), Some(word)) => {
                    assert!(error.to_string().contains(word), "{text}: {error}")
                }
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
        assert!(read::<[f64; 3]>("[1, 2, 3, 4]").is_err());
        assert_eq!(read::<[f64; 3]>("[1, 2.5, -3]").unwrap(), [1.0, 2.5, -3.0]);
        assert!(read::<u32>("-1").is_err());
        let error = read::<ResourceList>("{\"taken_at\":\"no time\"}").unwrap_err();
        assert!(error.to_string().contains("jiff"), "{error}");
    }
}
