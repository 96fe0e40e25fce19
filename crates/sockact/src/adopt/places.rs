//! Which descriptors are still there: found by name and by place, at little cost however many there are.

use std::os::fd::{AsRawFd, OwnedFd};

use super::Passed;
use super::raw::FIRST;
use super::vars::Name;

/// The descriptors in the order in which they were passed.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: Vec<Place>,
    /// Sorted by what they stand for. Not a hash map: nearly always this is one or a few, and the code of a map, which nothing else
    /// at a program's start has run yet, takes longer to load than to search here.
    spellings: Vec<Spelling>,
}

/// One way to write the name of what is, or was, in a place.
#[derive(Clone, Copy, Debug)]
struct Spelling {
    place: usize,
    /// Which one of [`Name::spellings`].
    nth: usize,
}

impl Spelling {
    fn text(self, places: &[Place]) -> &str {
        places[self.place]
            .name()
            .and_then(|name| name.spellings().nth(self.nth))
            .unwrap_or_default()
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
    fn name(&self) -> Option<&Name> {
        match self {
            Place::Here(passed) => Some(passed.full_name()),
            Place::Taken(name) => Some(name),
            Place::Hidden => None,
        }
    }

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
        let mut places = Vec::with_capacity(passed.len() + 1);
        let mut spellings = Vec::with_capacity(passed.len());
        for one in passed {
            // The numbers rise; one that is missing is the admin socket's.
            let place = usize::try_from(one.as_raw_fd() - FIRST).unwrap_or_default();
            places.resize_with(place.max(places.len()), || Place::Hidden);
            let place = places.len();
            let ways = one.full_name().spellings().count();
            spellings.extend((0..ways).map(|nth| Spelling { place, nth }));
            places.push(Place::Here(one));
        }
        // Stable: under one name the places stay in order.
        spellings.sort_by(|a, b| a.text(&places).cmp(b.text(&places)));
        Places { places, spellings }
    }

    /// How many places there are, empty ones included.
    pub(super) fn count(&self) -> usize {
        self.places.len()
    }

    /// Whether any has or had this name.
    pub(super) fn knows(&self, name: &str) -> bool {
        !self.spelt(name).is_empty()
    }

    /// What is still there under this name, and its places.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = (usize, &Passed)> {
        let places = self.spelt(name).iter().map(|spelling| spelling.place);
        places.filter_map(|at| Some((at, self.places[at].here()?)))
    }

    /// The spellings that are this name, in the order of their places.
    fn spelt(&self, name: &str) -> &[Spelling] {
        let text = |spelling: &Spelling| spelling.text(&self.places);
        let from = self.spellings.partition_point(|spelling| text(spelling) < name);
        let rest = &self.spellings[from..];
        &rest[..rest.partition_point(|spelling| text(spelling) == name)]
    }

    pub(super) fn take_named(&mut self, name: &str) -> Vec<Passed> {
        let places: Vec<usize> = self.named(name).map(|(place, _)| place).collect();
        places.into_iter().filter_map(|at| self.places[at].take()).collect()
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
