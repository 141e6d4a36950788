//! JSON put together token by token, so that its spelling is left to nobody.

use crate::random::Random;

/// A JSON value, or what stands in the place of one.
#[derive(Clone, Debug)]
pub(super) enum Text {
    /// Bytes to write as they are.
    Token(Vec<u8>),
    /// An array.
    Array(Vec<Text>),
    /// An object.
    Object(Vec<Member>),
}

/// A member of an object: the key as a token, with its quotation marks, and the value.
pub(super) type Member = (Vec<u8>, Text);

/// What stands between the tokens.
#[derive(Clone, Debug)]
pub(super) enum Space {
    /// Nothing.
    None,
    /// A blank after each comma and colon.
    Blanks,
    /// A line for each value, begun with this much for each level.
    Lines {
        /// The line break.
        end: &'static str,
        /// The indent.
        indent: &'static str,
    },
    /// Anything that JSON allows.
    Any(Random),
}

impl Text {
    /// A token.
    pub(super) fn token(token: impl Into<Vec<u8>>) -> Self {
        Self::Token(token.into())
    }

    /// A string that needs no escapes.
    pub(super) fn string(text: &str) -> Self {
        Self::Token(quoted(text))
    }

    /// `null`.
    pub(super) fn null() -> Self {
        Self::token("null")
    }

    /// An object.
    pub(super) fn object<const N: usize>(members: [(&str, Self); N]) -> Self {
        Self::Object(members.map(|(key, value)| (quoted(key), value)).into())
    }

    /// The text, with `space` between its tokens.
    pub(super) fn write(&self, mut space: Space) -> Vec<u8> {
        let mut out = Vec::new();
        space.around(&mut out);
        self.append(&mut space, 0, &mut out);
        space.around(&mut out);
        out
    }

    fn append(&self, space: &mut Space, depth: usize, out: &mut Vec<u8>) {
        match self {
            Self::Token(token) => out.extend_from_slice(token),
            Self::Array(elements) => {
                out.push(b'[');
                for (index, element) in elements.iter().enumerate() {
                    space.before_value(index == 0, depth + 1, out);
                    element.append(space, depth + 1, out);
                }
                space.before_end(elements.is_empty(), depth, out);
                out.push(b']');
            }
            Self::Object(members) => {
                out.push(b'{');
                for (index, (key, value)) in members.iter().enumerate() {
                    space.before_value(index == 0, depth + 1, out);
                    out.extend_from_slice(key);
                    space.around(out);
                    out.push(b':');
                    space.after_colon(out);
                    value.append(space, depth + 1, out);
                }
                space.before_end(members.is_empty(), depth, out);
                out.push(b'}');
            }
        }
    }
}

/// `text`, which needs no escapes, in quotation marks.
pub(super) fn quoted(text: &str) -> Vec<u8> {
    format!("\"{text}\"").into_bytes()
}

impl Space {
    fn before_value(&mut self, is_first: bool, depth: usize, out: &mut Vec<u8>) {
        if !is_first {
            self.around(out);
            out.push(b',');
        }
        match self {
            Self::None => {}
            Self::Blanks if is_first => {}
            Self::Blanks => out.push(b' '),
            Self::Lines { .. } => self.new_line(depth, out),
            Self::Any(_) => self.around(out),
        }
    }

    fn before_end(&mut self, is_empty: bool, depth: usize, out: &mut Vec<u8>) {
        if !is_empty {
            self.new_line(depth, out);
        }
        self.around(out);
    }

    fn after_colon(&mut self, out: &mut Vec<u8>) {
        match self {
            Self::None => {}
            Self::Blanks | Self::Lines { .. } => out.push(b' '),
            Self::Any(_) => self.around(out),
        }
    }

    fn new_line(&self, depth: usize, out: &mut Vec<u8>) {
        if let Self::Lines { end, indent } = self {
            out.extend_from_slice(end.as_bytes());
            out.extend_from_slice(indent.repeat(depth).as_bytes());
        }
    }

    /// Space where only [`Space::Any`] has some.
    fn around(&mut self, out: &mut Vec<u8>) {
        if let Self::Any(random) = self {
            while random.chance(30) {
                out.push(b" \t\r\n"[random.below(4)]);
            }
        }
    }
}
