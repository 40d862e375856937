//! The one form in which records are declared.

/// Declares records: the struct, its encoder, decoder and length, and its name and field order for the schema
/// test. `pub struct Name<'a>` borrows its text from the input; without the lifetime it owns (or shares) it.
macro_rules! records {
    ($($(#[$meta:meta])* $name:ident $(<$life:lifetime>)? {
        $($(#[$field_meta:meta])* $field:ident: $type:ty,)*
    })*) => {$(
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $name $(<$life>)? {
            $($(#[$field_meta])* pub $field: $type,)*
        }

        impl $(<$life>)? $name $(<$life>)? {
            /// The record's name and its fields, in wire order.
            pub const SCHEMA: (&'static str, &'static [&'static str]) =
                (stringify!($name), &[$(stringify!($field)),*]);
        }

        records!(@decode $name ($($life)?) $($field: $type,)*);

        impl $(<$life>)? $crate::wire::Encode for $name $(<$life>)? {
            #[allow(unused_variables, reason = "records without fields")]
            fn encode(&self, out: &mut Vec<u8>) {
                $(self.$field.encode(out);)*
            }
            fn encoded_len(&self) -> usize {
                0 $(+ self.$field.encoded_len())*
            }
        }
    )*};
    (@decode $name:ident ($life:lifetime) $($field:ident: $type:ty,)*) => {
        impl<$life> $crate::wire::Decode<$life> for $name<$life> {
            const MIN_LEN: usize = 0 $(+ <$type as $crate::wire::Decode<$life>>::MIN_LEN)*;
            fn decode(reader: &mut $crate::wire::Reader<$life>) -> $crate::wire::Result<Self> {
                Ok(Self { $($field: <$type>::decode(reader).map_err(|e| e.within(stringify!($field)))?,)* })
            }
        }
    };
    (@decode $name:ident () $($field:ident: $type:ty,)*) => {
        impl<'a> $crate::wire::Decode<'a> for $name {
            const MIN_LEN: usize = 0 $(+ <$type as $crate::wire::Decode<'a>>::MIN_LEN)*;
            fn decode(reader: &mut $crate::wire::Reader<'a>) -> $crate::wire::Result<Self> {
                Ok(Self { $($field: <$type>::decode(reader).map_err(|e| e.within(stringify!($field)))?,)* })
            }
        }
    };
}
pub(crate) use records;

/// Declares a family of numbers of the protocol: a newtype that keeps unknown values, with a name for known ones.
macro_rules! numbers {
    ($(#[$meta:meta])* $type:ident: $repr:ty { $($(#[$item_meta:meta])* $name:ident = $value:literal,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(pub $repr);

        impl $type {
            $($(#[$item_meta])* pub const $name: Self = Self($value);)*

            /// The name of a known value.
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }

        impl std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self.name() {
                    Some(name) => f.write_str(name),
                    None => write!(f, "{}({})", stringify!($type), self.0),
                }
            }
        }

        impl<'a> $crate::wire::Decode<'a> for $type {
            const MIN_LEN: usize = <$repr as $crate::wire::Decode<'a>>::MIN_LEN;
            fn decode(reader: &mut $crate::wire::Reader<'a>) -> $crate::wire::Result<Self> {
                <$repr as $crate::wire::Decode<'a>>::decode(reader).map(Self)
            }
        }

        impl $crate::wire::Encode for $type {
            fn encode(&self, out: &mut Vec<u8>) {
                self.0.encode(out);
            }
            fn encoded_len(&self) -> usize {
                self.0.encoded_len()
            }
        }
    };
}
pub(crate) use numbers;
