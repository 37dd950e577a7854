//! Who is there: passwords, tokens, sealed keys, roles and what they may do.

pub mod password;
pub mod policy;
pub mod setup_code;
pub mod throttle;
pub mod token;
pub mod vault;

pub use password::{PasswordError, Passwords};
pub use policy::{Action, allows};
pub use setup_code::SetupCode;
pub use throttle::{Allowance, Throttle, Throttled};
pub use token::{Claims, TokenError, Tokens};
pub use vault::{Vault, VaultError, generate_key, hash_key};
