//! The rules of each message, looked up once.

use crate::schema::Schema;
use prost_reflect::{DynamicMessage, ExtensionDescriptor, FieldDescriptor, MessageDescriptor, OneofDescriptor};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// What a message's descriptor demands.
pub(super) struct MessageRules {
    pub(super) fields: Vec<FieldRules>,
    /// Of each of them one field must be set.
    pub(super) required_oneofs: Vec<OneofDescriptor>,
}

/// What a field's descriptor demands.
pub(super) struct FieldRules {
    pub(super) field: FieldDescriptor,
    /// A `validate.FieldRules`.
    pub(super) rules: DynamicMessage,
}

/// All rules that were looked up so far.
pub(super) struct Book {
    rules: Option<ExtensionDescriptor>,
    required: Option<ExtensionDescriptor>,
    known: RefCell<HashMap<String, Rc<MessageRules>>>,
}

impl Book {
    pub(super) fn new(schema: &Schema) -> Self {
        // `validate.required` is the option of a oneof, `validate.rules` that of a field.
        let extension = |name: &str| schema.pool().get_extension_by_name(name);
        Self { rules: extension("validate.rules"), required: extension("validate.required"), known: RefCell::default() }
    }

    /// The rules of `message`.
    pub(super) fn of(&self, message: &MessageDescriptor) -> Rc<MessageRules> {
        let mut known = self.known.borrow_mut();
        let entry = known.entry(message.full_name().to_owned());
        Rc::clone(entry.or_insert_with(|| Rc::new(self.read(message))))
    }

    fn read(&self, message: &MessageDescriptor) -> MessageRules {
        let fields = message.fields().filter_map(|field| self.of_field(field)).collect();
        let required_oneofs = message.oneofs().filter(|oneof| self.is_required(oneof)).collect();
        MessageRules { fields, required_oneofs }
    }

    fn of_field(&self, field: FieldDescriptor) -> Option<FieldRules> {
        let extension = self.rules.as_ref()?;
        let options = field.options();
        if !options.has_extension(extension) {
            return None;
        }
        let rules = options.get_extension(extension).as_message()?.clone();
        Some(FieldRules { field, rules })
    }

    fn is_required(&self, oneof: &OneofDescriptor) -> bool {
        let Some(extension) = &self.required else { return false };
        oneof.options().get_extension(extension).as_bool() == Some(true)
    }
}
