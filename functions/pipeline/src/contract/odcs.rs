//! The shape of an Open Data Contract Standard v3.1 document, as far as Crosstally reads it.
//!
//! Fields the standard has and Crosstally does not use are ignored; what stands in `customProperties` is ours and must be known.
//! Source: Open Data Contract Standard v3.1.0, "Schema" and "Custom Properties".

use serde::Deserialize;
use serde_saphyr::Spanned;

pub(super) type Text = Spanned<String>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    pub(super) api_version: Text,
    pub(super) kind: Text,
    pub(super) version: Text,
    #[serde(default)]
    pub(super) schema: Vec<Object>,
    #[serde(default)]
    pub(super) custom_properties: Vec<CustomProperty>,
}

/// A schema object: one of the two sources, or the target table.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Object {
    pub(super) name: Text,
    pub(super) physical_name: Option<Text>,
    #[serde(default)]
    pub(super) properties: Vec<Property>,
    #[serde(default)]
    pub(super) custom_properties: Vec<CustomProperty>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Property {
    pub(super) name: Text,
    pub(super) physical_name: Option<Text>,
    pub(super) logical_type: Option<Text>,
    pub(super) physical_type: Option<Text>,
    #[serde(default)]
    pub(super) required: bool,
    #[serde(default)]
    pub(super) primary_key: bool,
    #[serde(default)]
    pub(super) logical_type_options: LogicalTypeOptions,
    #[serde(default)]
    pub(super) transform_source_objects: Vec<Text>,
    #[serde(default)]
    pub(super) custom_properties: Vec<CustomProperty>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct LogicalTypeOptions {
    pub(super) minimum: Option<Spanned<serde_json::Number>>,
    pub(super) maximum: Option<Spanned<serde_json::Number>>,
    pub(super) min_length: Option<Spanned<u32>>,
    pub(super) max_length: Option<Spanned<u32>>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CustomProperty {
    pub(super) property: Text,
    #[serde(default)]
    pub(super) value: serde_json::Value,
}
