//! A range of IP addresses, as in `203.0.113.0/24` or `2001:db8::/32`.

use std::net::IpAddr;

/// A range in CIDR form; a plain address is a range of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Network {
    address: IpAddr,
    prefix_bits: u8,
}

impl Network {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width: u8 = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match bits {
            Some(bits) if bits.bytes().all(|byte| byte.is_ascii_digit()) => bits.parse().ok()?,
            Some(_) => return None,
            None => width,
        };
        if prefix_bits > width {
            return None;
        }
        // A range of IPv4 addresses that is written as IPv6, `::ffff:10.0.0.0/104`, is one of IPv4 addresses.
        match (address.to_canonical(), prefix_bits.checked_sub(96)) {
            (canonical @ IpAddr::V4(_), Some(prefix_bits)) if address.is_ipv6() => {
                Some(Self { address: canonical, prefix_bits })
            }
            _ => Some(Self { address, prefix_bits }),
        }
    }

    /// Whether the address lies in the range. An IPv4 address that came over an IPv6 socket counts as IPv4.
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix_bits);
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix_bits);
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }

    /// Whether it is narrow enough to speak of somebody: AWS takes anything broader as the public.
    pub(super) fn is_narrow(&self) -> bool {
        match self.address {
            IpAddr::V4(_) => self.prefix_bits >= 8,
            IpAddr::V6(_) => self.prefix_bits >= 32,
        }
    }
}
