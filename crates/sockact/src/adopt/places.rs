//! Which descriptors are still there: found by name and by place at the same cost, however many.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::os::fd::{AsRawFd, OwnedFd};

use super::Passed;
use super::raw::FIRST;
use super::vars::Name;

/// The descriptors in the order in which they were passed.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: Vec<Place>,
    by_name: HashMap<String, Indices, Hasher>,
}

/// The same in every process: names come from unit files, not from whom one has to fear, and a
/// service with one socket need not ask the kernel for a random number.
type Hasher = BuildHasherDefault<DefaultHasher>;

/// Nearly always a name is that of one descriptor.
#[derive(Debug)]
enum Indices {
    One(usize),
    Several(Vec<usize>),
}

impl Indices {
    fn add(&mut self, index: usize) {
        match self {
            Indices::One(first) => *self = Indices::Several(vec![*first, index]),
            Indices::Several(all) => all.push(index),
        }
    }

    fn all(&self) -> &[usize] {
        match self {
            Indices::One(one) => std::slice::from_ref(one),
            Indices::Several(all) => all,
        }
    }
}

#[derive(Debug)]
enum Place {
    Here(Passed),
    /// Its name stays, to tell a second asking from a wrong name.
    Taken(Name),
    /// Never handed out.
    Hidden,
}

impl Place {
    fn here(&self) -> Option<&Passed> {
        match self {
            Place::Here(passed) => Some(passed),
            Place::Taken(_) | Place::Hidden => None,
        }
    }

    fn take(&mut self) -> Option<Passed> {
        let name = self.here()?.full_name().clone();
        match std::mem::replace(self, Place::Taken(name)) {
            Place::Here(passed) => Some(passed),
            Place::Taken(_) | Place::Hidden => None,
        }
    }

    fn take_fd(&mut self) -> Option<OwnedFd> {
        match std::mem::replace(self, Place::Hidden) {
            Place::Here(passed) => {
                let (name, fd) = passed.into_parts();
                *self = Place::Taken(name);
                Some(fd)
            }
            other => {
                *self = other;
                None
            }
        }
    }
}

impl Places {
    pub(super) fn new(passed: Vec<Passed>) -> Places {
        let mut new = Places {
            places: Vec::with_capacity(passed.len() + 1),
            by_name: HashMap::with_capacity_and_hasher(passed.len(), Hasher::default()),
        };
        for one in passed {
            // The numbers rise; one that is missing is the admin socket's.
            let place = usize::try_from(one.as_raw_fd() - FIRST).unwrap_or_default();
            new.places.resize_with(place.max(new.places.len()), || Place::Hidden);
            let place = new.places.len();
            for name in one.full_name().spellings() {
                let known = new.by_name.entry(name.to_owned());
                known.and_modify(|at| at.add(place)).or_insert(Indices::One(place));
            }
            new.places.push(Place::Here(one));
        }
        new
    }

    /// How many places there are, empty ones included.
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// Whether any has or had this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// What is still there under this name, and its places.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = (usize, &Passed)> {
        let places = self.by_name.get(name).map_or(&[][..], Indices::all);
        places.iter().filter_map(|at| Some((*at, self.places[*at].here()?)))
    }

    pub(super) fn take_named(&mut self, name: &str) -> Vec<Passed> {
        let places = self.by_name.get(name).map_or(&[][..], Indices::all);
        places.iter().filter_map(|at| self.places[*at].take()).collect()
    }

    pub(super) fn at(&self, index: usize) -> Option<&Passed> {
        self.places.get(index)?.here()
    }

    /// The name of what was taken from this place.
    pub(super) fn taken_at(&self, index: usize) -> Option<&str> {
        match self.places.get(index)? {
            Place::Taken(name) => Some(&name.text),
            Place::Here(_) | Place::Hidden => None,
        }
    }

    pub(super) fn take_at(&mut self, index: usize) -> Option<OwnedFd> {
        self.places.get_mut(index)?.take_fd()
    }

    /// What is still there.
    pub(super) fn rest(&self) -> impl Iterator<Item = &Passed> {
        self.places.iter().filter_map(Place::here)
    }

    pub(super) fn take_rest(&mut self) -> Vec<Passed> {
        self.places.iter_mut().filter_map(Place::take).collect()
    }
}
