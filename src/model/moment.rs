//! Both clocks at once: `Moment` is monotonic (including suspend) and wall time.

use std::collections::BTreeMap;
use std::time::Duration;

/// A point in time on both clocks, in milliseconds.
///
/// Deadlines and ages use `boot_ms` (CLOCK_BOOTTIME, which neither jumps nor stops in suspend);
/// `wall_ms` (Unix time) is for people. A moment of an earlier boot has a negative `boot_ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment {
    /// Milliseconds since this boot.
    pub boot_ms: i64,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub wall_ms: i64,
}

impl Moment {
    /// The moment that lies `by` later on both clocks.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        let ms = millis(by);
        Self { boot_ms: self.boot_ms.saturating_add(ms), wall_ms: self.wall_ms.saturating_add(ms) }
    }

    /// How long after `earlier` this moment is; zero if it is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let ms = self.boot_ms.saturating_sub(earlier.boot_ms);
        Duration::from_millis(u64::try_from(ms).unwrap_or(0))
    }

    /// The moment at which the boot clock showed, or will show, `boot_ms`, told by this moment's offset.
    #[must_use]
    pub fn at_boot_ms(self, boot_ms: i64) -> Self {
        Self { boot_ms, wall_ms: self.wall_ms.saturating_add(boot_ms.saturating_sub(self.boot_ms)) }
    }

    /// The moment at which the wall clock showed, or will show, `wall_ms`, told by this moment's offset.
    #[must_use]
    pub fn at_wall_ms(self, wall_ms: i64) -> Self {
        Self { boot_ms: self.boot_ms.saturating_add(wall_ms.saturating_sub(self.wall_ms)), wall_ms }
    }
}

/// Whole milliseconds of a duration, as signed as `Moment` needs them.
#[must_use]
pub fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Data that holds moments. After a reboot each of them is moved to the clock of the new boot.
///
/// `kept!` writes it for a struct, over all fields: a new field whose type cannot say where its moments are does not compile.
pub trait Moments {
    /// Applies the change to every moment in it.
    fn each_moment(&mut self, change: &mut dyn FnMut(&mut Moment));
}

impl Moments for Moment {
    fn each_moment(&mut self, change: &mut dyn FnMut(&mut Moment)) {
        change(self);
    }
}

impl<T: Moments> Moments for Option<T> {
    fn each_moment(&mut self, change: &mut dyn FnMut(&mut Moment)) {
        self.iter_mut().for_each(|inner| inner.each_moment(change));
    }
}

impl<T: Moments> Moments for Vec<T> {
    fn each_moment(&mut self, change: &mut dyn FnMut(&mut Moment)) {
        self.iter_mut().for_each(|inner| inner.each_moment(change));
    }
}

impl<K: Ord, T: Moments> Moments for BTreeMap<K, T> {
    fn each_moment(&mut self, change: &mut dyn FnMut(&mut Moment)) {
        self.values_mut().for_each(|inner| inner.each_moment(change));
    }
}

/// Types that hold no moment.
macro_rules! timeless {
    ($($name:ty),+ $(,)?) => {
        $(impl $crate::model::moment::Moments for $name {
            fn each_moment(&mut self, _: &mut dyn FnMut(&mut $crate::model::moment::Moment)) {}
        })+
    };
}

/// A struct of the durable state: `Moments` over all its fields.
macro_rules! kept {
    ($(#[$about:meta])* pub struct $name:ident { $($(#[$of_field:meta])* pub $field:ident: $kind:ty,)* }) => {
        $(#[$about])*
        pub struct $name { $($(#[$of_field])* pub $field: $kind,)* }

        impl $crate::model::moment::Moments for $name {
            fn each_moment(&mut self, change: &mut dyn FnMut(&mut $crate::model::moment::Moment)) {
                $($crate::model::moment::Moments::each_moment(&mut self.$field, change);)*
            }
        }
    };
}

pub(crate) use {kept, timeless};

timeless!(String, bool, u32, u64, i64);
