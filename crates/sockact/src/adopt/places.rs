//! Which descriptors are still there: found by name and by place at the same cost, however many.

use std::collections::HashMap;
use std::os::fd::AsRawFd;

use super::Passed;
use super::raw::FIRST;

/// The descriptors in the order in which they were passed.
#[derive(Debug, Default)]
pub(super) struct Places {
    places: Vec<Place>,
    by_name: HashMap<String, Vec<usize>>,
}

#[derive(Debug)]
enum Place {
    Here(Passed),
    /// Its name stays, to tell a second asking from a wrong name.
    Taken(String),
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
        let taken = match self {
            Place::Here(passed) => Place::Taken(passed.name().to_owned()),
            Place::Taken(_) | Place::Hidden => return None,
        };
        match std::mem::replace(self, taken) {
            Place::Here(passed) => Some(passed),
            Place::Taken(_) | Place::Hidden => None,
        }
    }
}

impl Places {
    pub(super) fn new(passed: Vec<Passed>) -> Places {
        let mut new = Places::default();
        for one in passed {
            // The numbers rise; one that is missing is the admin socket's.
            let place = usize::try_from(one.as_raw_fd() - FIRST).unwrap_or_default();
            new.places.resize_with(place.max(new.places.len()), || Place::Hidden);
            for name in one.spellings() {
                new.by_name.entry(name.to_owned()).or_default().push(new.places.len());
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

    /// What is still there under this name.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &Passed> {
        self.by_name.get(name).into_iter().flatten().filter_map(|at| self.places[*at].here())
    }

    pub(super) fn take_named(&mut self, name: &str) -> Vec<Passed> {
        let places = self.by_name.get(name).into_iter().flatten();
        places.filter_map(|at| self.places[*at].take()).collect()
    }

    pub(super) fn at(&self, index: usize) -> Option<&Passed> {
        self.places.get(index)?.here()
    }

    /// The name of what was taken from this place.
    pub(super) fn taken_at(&self, index: usize) -> Option<&str> {
        match self.places.get(index)? {
            Place::Taken(name) => Some(name),
            Place::Here(_) | Place::Hidden => None,
        }
    }

    pub(super) fn take_at(&mut self, index: usize) -> Option<Passed> {
        self.places.get_mut(index)?.take()
    }

    /// What is still there.
    pub(super) fn rest(&self) -> impl Iterator<Item = &Passed> {
        self.places.iter().filter_map(Place::here)
    }

    pub(super) fn take_rest(&mut self) -> Vec<Passed> {
        self.places.iter_mut().filter_map(Place::take).collect()
    }
}
