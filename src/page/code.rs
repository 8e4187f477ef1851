//! The code a visitor can write down or say on the phone: eight letters and digits that find its place again.
//!
//! Forty bits of the ticket's id in Crockford's base 32, which has no `I`, `L`, `O` or `U`.

use std::fmt;

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const DIGITS: u32 = 8;

/// A ticket's code, shown as `K7QM-4T2P`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(u64);

impl Code {
    /// The code of the ticket with this id: its 40 highest bits.
    #[must_use]
    pub fn of(id: u128) -> Self {
        Self(u64::try_from(id >> 88).unwrap_or(0))
    }

    /// Reads a code as people type it: in any case, with or without dashes and spaces, `O` for 0, `I` and `L` for 1.
    #[must_use]
    pub fn parse(typed: &str) -> Option<Self> {
        let mut code = 0;
        let mut digits = 0;
        for letter in typed.bytes() {
            let letter = match letter.to_ascii_uppercase() {
                b'-' | b' ' => continue,
                b'O' => b'0',
                b'I' | b'L' => b'1',
                other => other,
            };
            let digit = ALPHABET.iter().position(|known| *known == letter)?;
            code = (code << 5) | u64::try_from(digit).ok()?;
            digits += 1;
            if digits > DIGITS {
                return None;
            }
        }
        (digits == DIGITS).then_some(Self(code))
    }

    /// Its 40 bits: the ticket's id begins with them.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for at in 0..DIGITS {
            if at == DIGITS / 2 {
                f.write_str("-")?;
            }
            let digit = usize::from((self.0 >> (5 * (DIGITS - 1 - at))).to_le_bytes()[0] & 31);
            write!(f, "{}", char::from(ALPHABET[digit]))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    #[test]
    fn a_code_is_read_back_however_it_is_typed() {
        let code = Code::of(0x9DE9_4268_5600_0000_0000_0000_0000_0000);
        let shown = code.to_string();
        assert_eq!(shown.len(), 9);
        assert_eq!(Code::parse(&shown), Some(code));
        assert_eq!(Code::parse(&shown.to_lowercase()), Some(code));
        assert_eq!(Code::parse(&shown.replace('-', " ")), Some(code));
        assert_eq!(
            Code::parse(&shown.replace('0', "o").replace('1', "l")),
            Some(code)
        );
        assert_eq!(code.bits(), 0x9D_E942_6856);
    }

    #[test]
    fn what_is_no_code_is_refused() {
        for typed in [
            "",
            "K7QM-4T2",
            "K7QM-4T2PX",
            "K7QM_4T2P",
            "K7QU-4T2P",
            "é7QM4T2P",
        ] {
            assert_eq!(Code::parse(typed), None, "{typed}");
        }
    }
}
