//! `models install`, `test face`, `enroll face`, and the child that looks at pictures.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::client::Service;
use super::exit::{Exit, Failed, Result};
use super::{CONFIG, Places};
use crate::access::face::{
    self, Embedding, Eyes, Look, NoModel, Recogniser, SAME, STILL, Unfit, VIEWS, Views, closest,
};
use crate::access::people::{self, People};
use crate::alarm::{Actor, Factor, Origin, Record};
use crate::clock::{Stamp, SystemClock};
use crate::config::{self, Depth};
use crate::store::{Batch, EventRow, KnownBy, Store};

/// `asfaleia models`
#[derive(Args)]
pub(super) struct ModelsArgs {
    #[command(subcommand)]
    what: ModelsWhat,
}

#[derive(Subcommand)]
enum ModelsWhat {
    /// Puts the two models of face recognition in place, after checking that they are the right ones
    Install(InstallArgs),
}

#[derive(Args)]
struct InstallArgs {
    /// A directory that has both, or one of the files
    #[arg(long, value_name = "FILE|DIR")]
    from: PathBuf,
}

/// `asfaleia test face`
#[derive(Args)]
pub(super) struct TestFaceArgs {
    /// A picture: JPEG, PNG or PGM
    #[arg(long, value_name = "FILE")]
    image: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// `asfaleia enroll face`
#[derive(Args)]
pub(super) struct EnrollFaceArgs {
    /// Whose it is
    name: String,
    /// Pictures of them alone, five at least: straight, and turned a little to each side. Without
    /// it: from the camera
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
}

/// `asfaleia recognise`: started by the service.
#[derive(Args)]
pub(super) struct RecogniseArgs {
    #[arg(long)]
    models: PathBuf,
    #[arg(long)]
    kept: Option<PathBuf>,
    #[arg(long)]
    side: usize,
}

pub(super) fn recognise(args: &RecogniseArgs) -> Result {
    Ok(face::run(&args.models, args.kept.as_deref(), args.side)?)
}

pub(super) fn models(places: &Places, args: ModelsArgs) -> Result {
    let ModelsWhat::Install(InstallArgs { from }) = args.what;
    let to = House::of(places)?.models;
    for name in face::install(&from, &to).map_err(no_model)? {
        writeln!(std::io::stdout(), "{} is in place", to.join(name).display())?;
    }
    if let Err(missing) = face::installed(&to) {
        writeln!(std::io::stdout(), "still to do: {missing}")?;
    }
    Ok(())
}

pub(super) fn test(places: &Places, args: &TestFaceArgs) -> Result {
    let house = House::of(places)?;
    let look = look(&mut house.eyes()?, &args.image)?;
    let embedding = look.seen.as_ref().and_then(|seen| seen.embedding.clone());
    let found = match embedding.and_then(Embedding::new) {
        Some(embedding) => house.closest(places, &embedding)?,
        None => None,
    };
    let same = found.as_ref().filter(|(_, similarity)| *similarity >= SAME);
    let name = same.map(|(name, _)| name.as_str());
    let similarity = found.as_ref().map(|(_, similarity)| *similarity);
    let flaws = look
        .seen
        .as_ref()
        .map(|seen| seen.quality.flaws())
        .unwrap_or_default();
    let mut out = std::io::stdout();
    if args.json {
        let seen = look
            .seen
            .as_ref()
            .map(|seen| json!({ "face": seen.face, "quality": seen.quality, "flaws": flaws }));
        let said = json!({
            "name": name,
            "similarity": similarity,
            "threshold": SAME,
            "faces": look.faces,
            "seen": seen,
        });
        writeln!(out, "{said}")?;
        return Ok(());
    }
    let similarity = similarity.map_or("null".to_owned(), |it| format!("{it:.3}"));
    let seen = look.seen.map_or(String::new(), |seen| {
        let (face, flaws) = (seen.face, flaws.iter().map(ToString::to_string));
        let flaws: Vec<String> = flaws.collect();
        format!(
            ", {:.0}x{:.0} pixels at {:.0},{:.0}, likely {:.2}, turned {:+.2}; {}",
            face.rect.width,
            face.rect.height,
            face.rect.x,
            face.rect.y,
            face.likely,
            seen.quality.turn - 0.5,
            if flaws.is_empty() {
                "good".to_owned()
            } else {
                flaws.join("; ")
            },
        )
    });
    let name = name.unwrap_or("null");
    writeln!(
        out,
        "{name}, similarity {similarity} of {SAME} needed, faces {}{seen}",
        look.faces
    )?;
    Ok(())
}

pub(super) fn enroll(places: &Places, args: &EnrollFaceArgs) -> Result {
    match &args.images {
        Some(folder) => {
            let house = House::of(places)?;
            let views = from_pictures(&mut house.eyes()?, folder)?;
            house.keep(places, &args.name, &views)
        }
        None => from_camera(&Service::find(places.socket.as_deref())?, &args.name),
    }
}

fn from_pictures(eyes: &mut Eyes, folder: &Path) -> Result<Vec<Embedding>> {
    let mut out = std::io::stdout();
    let mut views = Views::default();
    let mut looks = Vec::new();
    for file in pictures(folder)? {
        let name = file.file_name().unwrap_or_default().display().to_string();
        match look(eyes, &file) {
            Ok(look) => looks.push((name, look)),
            Err(Failed { error, .. }) => writeln!(out, "{name}: left out: {error}")?,
        }
    }
    // A view from the left may be known for the same person only once one from the middle is there.
    loop {
        let before = looks.len();
        let mut others = Vec::new();
        for (name, look) in looks {
            match views.add(&look) {
                Ok(()) => writeln!(out, "{name}: good")?,
                Err(Unfit::SomebodyElse) => others.push((name, look)),
                Err(unfit) => writeln!(out, "{name}: left out: {unfit}")?,
            }
        }
        looks = others;
        if looks.is_empty() || looks.len() == before {
            break;
        }
    }
    for (name, _) in &looks {
        writeln!(out, "{name}: left out: {}", Unfit::SomebodyElse)?;
    }
    let count = views.count();
    views.chosen().ok_or_else(|| {
        let folder = folder.display();
        let why = format!(
            "{VIEWS} good pictures are needed, and {count} of {folder} are; nothing was changed"
        );
        Failed::new(Exit::Data, why)
    })
}

/// Guided before the camera: the service looks through it, and says what to ask for.
fn from_camera(service: &Service, name: &str) -> Result {
    let path = format!("people/{}/face", super::people::in_a_path(name));
    let mut out = std::io::stdout();
    service.block_on(async {
        let mut steps = service.follow(&path, &json!({})).await?;
        while let Some(step) = steps.next_said().await? {
            if let Some(why) = step["error"].as_str() {
                return Err(Failed::new(Exit::TempFail, why));
            }
            if step["done"] == true {
                return known(name, step["warning"].as_str());
            }
            let says = match step["face"].as_str() {
                Some("straight") => "look straight into the camera",
                Some("left") => "turn your head a little to the left",
                Some("right") => "now to the right",
                Some("up") => "straight again, the chin a little up",
                Some("down") => "and a little down",
                Some("good") => "  good",
                Some("unfit") => {
                    writeln!(out, "  {}", step["why"].as_str().unwrap_or_default())?;
                    continue;
                }
                Some(_) | None => continue,
            };
            writeln!(out, "{says}")?;
        }
        Err(Failed::new(Exit::Unavailable, "the service has stopped"))
    })
}

fn known(name: &str, warning: Option<&str>) -> Result {
    let mut out = std::io::stdout();
    writeln!(out, "{name} is known by {VIEWS} views of the face")?;
    if let Some(warning) = warning {
        writeln!(out, "take care: {warning}")?;
    }
    Ok(())
}

/// What there is in this picture's file.
fn look(eyes: &mut Eyes, file: &Path) -> Result<Look> {
    let failed = |exit, why: String| Failed::new(exit, format!("{}: {why}", file.display()));
    let bytes = fs::read(file).map_err(|error| failed(Exit::NoInput, error.to_string()))?;
    eyes.look(&bytes).map_err(|why| failed(Exit::Data, why))
}

fn pictures(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |error| {
        Failed::new(
            Exit::NoInput,
            format!("reading {}: {error}", folder.display()),
        )
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().unwrap_or_default().to_ascii_lowercase();
        if ["jpg", "jpeg", "png", "pgm"].iter().any(|it| ending == *it) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn no_model(why: NoModel) -> Failed {
    let exit = match why {
        NoModel::Missing { .. } => Exit::Unavailable,
        NoModel::Other { .. } => Exit::Data,
        NoModel::Io { .. } => Exit::IoErr,
        NoModel::Refused { .. } => Exit::Software,
    };
    Failed::new(exit, why)
}

/// What the configuration says of faces.
struct House {
    models: PathBuf,
    store: Option<PathBuf>,
}

impl House {
    /// Without a configuration the models are where the package puts them, or here.
    fn of(places: &Places) -> Result<Self> {
        let file = places.config();
        if places.config.is_none() && !Path::new(CONFIG).exists() {
            let models = face::place(None);
            return Ok(House {
                models,
                store: None,
            });
        }
        let loaded = config::load(&file, Depth::Shape)
            .map_err(|rejected| Failed::new(Exit::Config, rejected))?;
        let access = loaded.config.access.as_ref();
        Ok(House {
            models: face::place(access.map(|access| access.models.as_path())),
            store: Some(loaded.config.store.path),
        })
    }

    fn eyes(&self) -> Result<Eyes> {
        let kept = self.store.as_ref().map(|store| store.join(face::KEPT));
        let recogniser = Recogniser::load(&self.models, kept.as_deref()).map_err(no_model)?;
        Ok(Eyes::new(recogniser, STILL))
    }

    /// Whose face is closest: the running service knows; while none runs, its store does.
    fn closest(&self, places: &Places, embedding: &Embedding) -> Result<Option<(String, f32)>> {
        let service = Service::find(places.socket.as_deref())?;
        if service.is_running() {
            let body = json!({ "embedding": embedding.numbers() });
            let said = service.block_on(service.post("faces/closest", &body))?;
            let similarity = said["similarity"].as_f64().map(|it| it as f32);
            let name = said["name"].as_str().map(str::to_owned);
            return Ok(name.zip(similarity));
        }
        let people = match &self.store {
            Some(store) if store.exists() => {
                People::new(Store::open(store, SystemClock::shared()).people)
            }
            Some(_) | None => People::default(),
        };
        let faces = people.faces().map(|(name, template)| (name, &template[..]));
        Ok(closest(embedding, faces).map(|(name, similarity)| (name.to_owned(), similarity)))
    }

    /// Makes the views known: through the running service, or in its store while none runs.
    fn keep(&self, places: &Places, name: &str, views: &[Embedding]) -> Result {
        let service = Service::find(places.socket.as_deref())?;
        let warning = if service.is_running() {
            let views: Vec<&[f32]> = views.iter().map(Embedding::numbers).collect();
            let path = format!("people/{}/face", super::people::in_a_path(name));
            let said: Value = service.block_on(service.post(&path, &json!({ "views": views })))?;
            said["warning"].as_str().map(str::to_owned)
        } else {
            self.keep_in_store(name, views)?
        };
        known(name, warning.as_deref())
    }

    /// While no service runs, nobody else writes there. Returns whom they may be taken for.
    fn keep_in_store(&self, name: &str, views: &[Embedding]) -> Result<Option<String>> {
        let dir = self.store.as_ref().ok_or_else(|| {
            let why = "asfaleia is not running here, and no configuration says where its store is: \
                       start it, or name the configuration with --config";
            Failed::new(Exit::Unavailable, why)
        })?;
        let name = people::name(name).map_err(|why| Failed::new(Exit::Usage, why))?;
        let clock = SystemClock::shared();
        let mut opened = Store::open(dir, clock.clone());
        let known = People::new(opened.people);
        let warning = known.taken_for(name, views);
        let at = Stamp::now(&*clock);
        let credentials: Vec<KnownBy> = views.iter().map(Embedding::known_by).collect();
        let batch = Batch {
            people: known.enrolling(name, credentials, at.wall),
            events: vec![EventRow {
                id: opened.next.event,
                incident: None,
                what: Record::Enrolled {
                    person: name.to_owned(),
                    factor: Factor::Face,
                    by: Actor::owner(Origin::Socket),
                },
            }],
            ..Batch::new(at)
        };
        opened
            .store
            .commit(&[batch])
            .map_err(|why| Failed::new(Exit::IoErr, why))?;
        Ok(warning)
    }
}
