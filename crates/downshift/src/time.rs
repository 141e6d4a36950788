//! Times: Go's reading and writing of RFC 3339, and the time of a signature.

use alloc::string::{String, ToString};
use core::fmt;
use core::str::FromStr;

use crate::Error;

/// A moment in UTC, to the second, in the years 1970 to 9999: what goes into a signature's protected header.
///
/// The default is 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The moment `seconds` after 1970-01-01T00:00:00Z; nothing after the year 9999.
    #[must_use]
    pub const fn from_seconds(seconds: u64) -> Option<Self> {
        /// 9999-12-31T23:59:59Z.
        const LAST: u64 = 253_402_300_799;
        if seconds <= LAST { Some(Self(seconds)) } else { None }
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn seconds(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Timestamp {
    /// `2016-01-02T03:04:05Z`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / 86_400);
        let second = u32::try_from(self.0 % 86_400).unwrap_or(0);
        let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
        f.write_str(&GoTime { year, month, day, hour, minute, second, ..GoTime::ZERO }.to_text())
    }
}

impl FromStr for Timestamp {
    type Err = Error;

    /// Reads a time of RFC 3339; fractions of a second are cut off.
    fn from_str(text: &str) -> Result<Self, Error> {
        GoTime::parse(text.as_bytes())
            .filter(|time| time.is_canonical)
            .and_then(|time| time.timestamp())
            .ok_or_else(|| Error::InvalidTime { value: text.to_string() })
    }
}

/// A time as Go's `time.Time` keeps and writes it: with its own offset from UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GoTime {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanosecond: u32,
    offset_minutes: i32,
    /// Whether every version of Go reads it: RFC 3339 to the letter, and no more than nine digits of a fraction.
    pub(crate) is_canonical: bool,
}

impl GoTime {
    /// Whether Go reads again what it writes: not of an offset of 100 hours or more, for which it needs three digits.
    pub(crate) const fn is_read_again(self) -> bool {
        self.offset_minutes.unsigned_abs() < 100 * 60
    }

    /// Go's zero time, which it writes where a time is missing.
    pub(crate) const ZERO: Self = Self {
        year: 1,
        month: 1,
        day: 1,
        hour: 0,
        minute: 0,
        second: 0,
        nanosecond: 0,
        offset_minutes: 0,
        is_canonical: true,
    };

    /// Reads a time as Go 1.19 does, which Debian's docker-registry 2.8.2 is built with (measured): RFC 3339 in upper
    /// case, but also hours of one digit, commas before the fraction, fractions of any length (cut to nine digits),
    /// and offsets beyond a day or with signs inside. Later versions of Go refuse some of that.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let mut rest = Reader(text);
        let year = rest.digits(4)?;
        rest.byte(b'-')?;
        let month = rest.digits(2)?;
        rest.byte(b'-')?;
        let day = rest.digits(2)?;
        rest.byte(b'T')?;
        let (hour, short_hour) = match rest.digits(2) {
            Some(hour) => (hour, false),
            None => (rest.digits(1)?, true),
        };
        rest.byte(b':')?;
        let minute = rest.digits(2)?;
        rest.byte(b':')?;
        let second = rest.digits(2)?;
        let fraction = rest.fraction();
        let offset = rest.offset()?;
        let valid = rest.0.is_empty()
            && (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second < 60;
        valid.then_some(Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
            nanosecond: fraction.nanosecond,
            offset_minutes: offset.minutes,
            is_canonical: !short_hour && fraction.is_canonical && offset.is_canonical,
        })
    }

    /// The same moment as a signature's time, if it is in the years 1970 to 9999.
    #[expect(
        clippy::arithmetic_side_effects,
        reason = "all parts are bounded: the years by 9999, the offset by 6,039"
    )]
    pub(crate) fn timestamp(&self) -> Option<Timestamp> {
        let days = days_from_civil(self.year, self.month, self.day);
        let minutes = (days * 24 + i64::from(self.hour)) * 60 + i64::from(self.minute);
        let seconds = (minutes - i64::from(self.offset_minutes)) * 60 + i64::from(self.second);
        Timestamp::from_seconds(u64::try_from(seconds).ok()?)
    }
}

impl GoTime {
    /// As Go writes it: the fraction without trailing zeros, the offset as it was, `Z` for none.
    pub(crate) fn to_text(self) -> String {
        let mut text = String::with_capacity(35);
        push_digits(&mut text, self.year, 4);
        for (separator, part) in
            [('-', self.month), ('-', self.day), ('T', self.hour), (':', self.minute), (':', self.second)]
        {
            text.push(separator);
            push_digits(&mut text, part, 2);
        }
        if self.nanosecond != 0 {
            text.push('.');
            let (mut fraction, mut width) = (self.nanosecond, 9_usize);
            while fraction.is_multiple_of(10) {
                fraction /= 10;
                width = width.saturating_sub(1);
            }
            push_digits(&mut text, fraction, width);
        }
        if self.offset_minutes == 0 {
            text.push('Z');
        } else {
            text.push(if self.offset_minutes < 0 { '-' } else { '+' });
            let offset = self.offset_minutes.unsigned_abs();
            let (hours, minutes) = (offset / 60, offset % 60);
            push_digits(&mut text, hours, if hours < 100 { 2 } else { 3 });
            text.push(':');
            push_digits(&mut text, minutes, 2);
        }
        text
    }
}

/// Writes the last `width` decimal digits of `number`, of at most nine.
fn push_digits(text: &mut String, number: u32, width: usize) {
    let mut rest = number;
    let mut digits = [b'0'; 9];
    let first = digits.len().saturating_sub(width);
    let digits = digits.get_mut(first..).unwrap_or_default();
    for digit in digits.iter_mut().rev() {
        *digit |= (rest % 10) as u8;
        rest /= 10;
    }
    text.push_str(core::str::from_utf8(digits).unwrap_or_default());
}

struct Fraction {
    nanosecond: u32,
    is_canonical: bool,
}

struct Offset {
    minutes: i32,
    is_canonical: bool,
}

/// What is left of a text.
struct Reader<'t>(&'t [u8]);

impl Reader<'_> {
    fn byte(&mut self, byte: u8) -> Option<()> {
        self.0 = self.0.strip_prefix(&[byte])?;
        Some(())
    }

    /// A number of exactly `count` digits; takes nothing if there are fewer.
    fn digits(&mut self, count: usize) -> Option<u32> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        if !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.0 = rest;
        Some(decimal(digits))
    }

    fn fraction(&mut self) -> Fraction {
        const NANOSECOND_DIGITS: usize = 9;
        let none = Fraction { nanosecond: 0, is_canonical: true };
        let [separator @ (b'.' | b','), rest @ ..] = self.0 else { return none };
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return none;
        }
        let (digits, after) = rest.split_at_checked(length).unwrap_or_default();
        self.0 = after;
        let mut padded = [b'0'; NANOSECOND_DIGITS];
        for (place, digit) in padded.iter_mut().zip(digits) {
            *place = *digit;
        }
        Fraction {
            nanosecond: decimal(&padded),
            is_canonical: *separator == b'.' && length <= NANOSECOND_DIGITS,
        }
    }

    /// `Z` or an offset.
    fn offset(&mut self) -> Option<Offset> {
        if self.byte(b'Z').is_some() {
            return Some(Offset { minutes: 0, is_canonical: true });
        }
        let sign = match self.0 {
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return None,
        };
        self.0 = self.0.get(1..)?;
        let (hours, short_hours) = self.signed_pair()?;
        self.byte(b':')?;
        let (minutes, short_minutes) = self.signed_pair()?;
        Some(Offset {
            minutes: hours.checked_mul(60)?.checked_add(minutes)?.checked_mul(sign)?,
            is_canonical: !short_hours && !short_minutes && hours < 24 && minutes < 60,
        })
    }

    /// Two digits, or a sign and a digit, which Go 1.19 takes in an offset; and whether it was the latter.
    fn signed_pair(&mut self) -> Option<(i32, bool)> {
        let sign = match self.0 {
            [b'+', ..] => 1,
            [b'-', ..] => -1,
            _ => return Some((i32::try_from(self.digits(2)?).ok()?, false)),
        };
        self.0 = self.0.get(1..)?;
        Some((i32::try_from(self.digits(1)?).ok()?.checked_mul(sign)?, true))
    }
}

/// The value of at most nine decimal digits.
fn decimal(digits: &[u8]) -> u32 {
    digits.iter().fold(0, |sum: u32, digit| sum.wrapping_mul(10).wrapping_add(u32::from(digit & 0xf)))
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar. Years are counted from March, so that the leap
/// day is the last of its year.
#[expect(clippy::arithmetic_side_effects, reason = "dates have at most four digits of a year")]
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    /// Days from 0000-03-01 to 1970-01-01.
    const EPOCH: i64 = 719_468;
    365 * year + leap_days + day_of_year - EPOCH
}

/// The date `days` after 1970-01-01.
#[expect(clippy::arithmetic_side_effects, reason = "days are bounded by the year 9999")]
fn civil_from_days(days: u64) -> (u32, u32, u32) {
    // The year is estimated by its mean length, and corrected where a date falls at its edge.
    let days = i64::try_from(days).unwrap_or(0);
    let mut year = 1970 + u32::try_from(days / 366).unwrap_or(0);
    while days_from_civil(year + 1, 1, 1) <= days {
        year += 1;
    }
    let mut month = 12;
    while days_from_civil(year, month, 1) > days {
        month -= 1;
    }
    let day = days - days_from_civil(year, month, 1) + 1;
    (year, month, u32::try_from(day).unwrap_or(1))
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::{GoTime, Timestamp, civil_from_days, days_from_civil};

    #[test]
    fn dates_and_days_agree_over_all_years() {
        for days in (0..2_932_897_u64).step_by(13).chain([0, 58, 59, 789, 11_016, 2_932_896]) {
            let (year, month, day) = civil_from_days(days);
            let back = days_from_civil(year, month, day);
            assert_eq!(back, days as i64, "{year}-{month}-{day}");
        }
        assert_eq!(civil_from_days(2_932_896), (9999, 12, 31));
    }

    #[test]
    fn a_signature_time_is_in_utc_and_cut_to_seconds() {
        for (text, expected) in [
            ("2016-01-02T03:04:05.999Z", "2016-01-02T03:04:05Z"),
            ("2016-03-01T01:00:00+02:00", "2016-02-29T23:00:00Z"),
            ("1969-12-31T23:00:00-01:00", "1970-01-01T00:00:00Z"),
            ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(text.parse::<Timestamp>().map(|time| time.to_string()).as_deref(), Ok(expected));
        }
        for text in ["1969-12-31T23:59:59Z", "9999-12-31T23:59:59-00:01", "2016-01-02", "2016-01-02T3:04:05Z"]
        {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
    }

    #[test]
    fn go_writes_times_back_in_its_own_way() {
        for (text, expected) in [
            ("2013-12-16T16:36:21.120Z", "2013-12-16T16:36:21.12Z"),
            ("2013-12-16T16:36:21.000+00:00", "2013-12-16T16:36:21Z"),
            ("2013-12-16T16:36:21.000000001-07:30", "2013-12-16T16:36:21.000000001-07:30"),
            ("2013-12-16T6:36:21,1234567899Z", "2013-12-16T06:36:21.123456789Z"),
            ("2013-12-16T16:36:21+99:99", "2013-12-16T16:36:21+100:39"),
            ("2013-12-16T16:36:21+-9:-9", "2013-12-16T16:36:21-09:09"),
        ] {
            let time = GoTime::parse(text.as_bytes()).map(GoTime::to_text);
            assert_eq!(time.as_deref(), Some(expected));
        }
    }
}
