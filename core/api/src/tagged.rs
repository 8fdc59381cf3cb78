//! Types that are told by a tag among their fields, such as `{"type": "restart_container", "container": …}`.
//!
//! What flows through: an enum's definition, unchanged. With the feature `compact`, which the UI switches on, its reading is built in another way:
//! as an enum that stands outside of its content, of which serde makes far less code, for a reader (`steward-ui`'s `wire`) that knows to
//! look for the tag among the fields, under the name that the enum is then read by. What is written is the same either way. What it never
//! does: change the contract.

/// Defines an enum that is written and read with its tag among its fields: `tagged! { … pub enum Action as "Action" by "type" { … } }`.
macro_rules! tagged {
    ($(#[$attribute:meta])* pub enum $name:ident as $written:literal by $tag:literal { $($body:tt)* }) => {
        $(#[$attribute])*
        #[derive(serde::Serialize)]
        #[cfg_attr(not(feature = "compact"), derive(serde::Deserialize))]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(tag = $tag, rename_all = "snake_case")]
        pub enum $name { $($body)* }

        #[cfg(feature = "compact")]
        const _: () = {
            // Named by its tag: that is where the reader finds which one it is.
            #[derive(serde::Deserialize)]
            #[serde(remote = $written, rename = $tag, rename_all = "snake_case")]
            #[allow(dead_code, missing_docs, reason = "serde reads into the enum above by the shape of this one")]
            enum Shape { $($body)* }

            impl<'de> serde::Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    Shape::deserialize(deserializer)
                }
            }
        };
    };
}

pub(crate) use tagged;
