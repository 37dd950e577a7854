//! Where a Modbus value is: `holding/100`, or the old five- and six-digit notation `40101`.

/// One of Modbus' four tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Area {
    Coil,
    Discrete,
    Input,
    Holding,
}

impl Area {
    pub const fn is_bits(self) -> bool {
        matches!(self, Self::Coil | Self::Discrete)
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::Coil => "coil",
            Self::Discrete => "discrete",
            Self::Input => "input",
            Self::Holding => "holding",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "coil" => Self::Coil,
            "discrete" => Self::Discrete,
            "input" => Self::Input,
            "holding" => Self::Holding,
            _ => return None,
        })
    }

    const fn from_digit(digit: u8) -> Option<Self> {
        Some(match digit {
            b'0' => Self::Coil,
            b'1' => Self::Discrete,
            b'3' => Self::Input,
            b'4' => Self::Holding,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    pub area: Area,
    /// As on the wire, from 0.
    pub offset: u16,
}

impl Address {
    /// Reads an address. `base` (0 or 1) is what the first register is called in the `area/number` form. The digit
    /// form (`40001`, `400001`) always counts from 1, whatever `base` says.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str, base: u16) -> Result<Self, String> {
        if let Some((area, number)) = text.split_once('/') {
            let area = Area::from_name(area).ok_or_else(|| {
                format!("area `{area}` is not one of coil, discrete, input, holding")
            })?;
            let number =
                digits(number).ok_or_else(|| format!("`{number}` is not a register number"))?;
            return Self::at(area, number, u32::from(base));
        }
        let bytes = text.as_bytes();
        if !matches!(bytes.len(), 5 | 6) || !bytes.iter().all(u8::is_ascii_digit) {
            return Err(format!(
                "`{text}` is neither `area/number` nor a number such as 40001"
            ));
        }
        let area = Area::from_digit(bytes[0])
            .ok_or_else(|| format!("`{text}` must start with 0, 1, 3 or 4"))?;
        let number =
            digits(&text[1..]).ok_or_else(|| format!("`{text}` is not a register number"))?;
        Self::at(area, number, 1)
    }

    fn at(area: Area, number: u32, base: u32) -> Result<Self, String> {
        let offset = number
            .checked_sub(base)
            .ok_or_else(|| format!("register numbers start at {base}"))?;
        let offset = u16::try_from(offset)
            .map_err(|_| format!("register {number} is above {}", 65_535 + base))?;
        Ok(Self { area, offset })
    }
}

fn digits(text: &str) -> Option<u32> {
    let plain =
        !text.is_empty() && text.len() <= 6 && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_notations_lead_to_the_same_register() {
        let holding_100 = Ok(Address {
            area: Area::Holding,
            offset: 100,
        });
        assert_eq!(Address::parse("holding/100", 0), holding_100);
        assert_eq!(Address::parse("holding/101", 1), holding_100);
        assert_eq!(Address::parse("40101", 0), holding_100);
        assert_eq!(Address::parse("400101", 1), holding_100);
        assert_eq!(
            Address::parse("00001", 0),
            Ok(Address {
                area: Area::Coil,
                offset: 0
            })
        );
        assert_eq!(
            Address::parse("465536", 0),
            Ok(Address {
                area: Area::Holding,
                offset: 65_535
            })
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for (text, base) in [
            ("", 0),
            ("holding/", 0),
            ("holding/-1", 0),
            ("holding/0", 1),
            ("holding/65536", 0),
            ("40000", 0),
            ("20001", 0),
            ("4001", 0),
            ("465537", 0),
            ("hold/1", 0),
            ("holding/9999999", 0),
        ] {
            assert!(Address::parse(text, base).is_err(), "{text}");
        }
    }
}
