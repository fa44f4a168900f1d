"""Who and what the demo workspace is made of."""

import msgspec

from domain.client import Contact
from domain.priority import Priority
from domain.task import TaskStatus
from domain.user import Role

DOMAIN = "demo.formula"

DOING, REVIEW, DONE = TaskStatus.IN_PROGRESS, TaskStatus.REVIEW, TaskStatus.DONE
HIGH, URGENT, LOW = Priority.HIGH, Priority.URGENT, Priority.LOW


class Person(msgspec.Struct, frozen=True):
    """Known by the first part of the e-mail."""

    name: str
    full_name: str
    role: Role
    department: str = ""

    @property
    def email(self) -> str:
        return f"{self.name}@{DOMAIN}"


class Task(msgspec.Struct, frozen=True):
    title: str
    assignee: str = ""
    status: TaskStatus = TaskStatus.TODO
    priority: Priority = Priority.NORMAL
    due_in: int = 21  # days from the seed
    comments: tuple[tuple[str, str], ...] = ()  # author and text; @name is a mention


class Document(msgspec.Struct, frozen=True):
    title: str
    fields: tuple[tuple[str, str], ...]


class Project(msgspec.Struct, frozen=True):
    name: str
    title: str
    description: str
    manager: str
    contributors: tuple[str, ...]
    viewers: tuple[str, ...] = ()
    client: str | None = None
    priority: Priority = Priority.NORMAL
    tasks: tuple[Task, ...] = ()
    documents: tuple[Document, ...] = ()


PEOPLE = (
    Person("ada", "Ada Lovelace", Role.ADMIN, "Management"),
    Person("grace", "Grace Hopper", Role.MANAGER, "Delivery"),
    Person("edsger", "Edsger Dijkstra", Role.MANAGER, "Delivery"),
    Person("alan", "Alan Turing", Role.MEMBER, "Engineering"),
    Person("barbara", "Barbara Liskov", Role.MEMBER, "Engineering"),
    Person("donald", "Donald Knuth", Role.MEMBER, "Engineering"),
    Person("radia", "Radia Perlman", Role.MEMBER, "Engineering"),
    Person("susan", "Susan Kare", Role.MEMBER, "Design"),
    Person("tim", "Tim Visitor", Role.GUEST),
    Person("audrey", "Audrey Audit", Role.AUDITOR, "Compliance"),
    Person("anna", "Anna Lyst", Role.ANALYST, "Finance"),
    Person("otto", "Otto Operator", Role.OPERATOR, "Operations"),
    Person("tour-ann", "Ann of the Tour", Role.MEMBER, "Tour"),
    Person("tour-bob", "Bob of the Tour", Role.MEMBER, "Tour"),
    Person("tour-max", "Max of the Tour", Role.MANAGER, "Tour"),
    Person("tour-auditor", "Auditor of the Tour", Role.AUDITOR, "Tour"),
    Person("tour-analyst", "Analyst of the Tour", Role.ANALYST, "Tour"),
    Person("tour-operator", "Operator of the Tour", Role.OPERATOR, "Tour"),
)

CLIENTS = (
    ("Northwind Railways", Contact("Nora West", "nora@northwind.example", "+44 20 5550 101")),
    ("Harbour Museum", Contact("Hal Quay", "hal@harbour.example", "+31 20 555 0102")),
    ("Blue Kettle Coffee", Contact("Bea Brew", "bea@bluekettle.example", "+1 555 0103")),
)

PROJECTS = (
    Project(
        "website",
        "Website relaunch",
        "A faster booking site, in three languages, before the summer timetable.",
        manager="grace",
        contributors=("alan", "barbara", "susan"),
        viewers=("tim",),
        client="Northwind Railways",
        priority=HIGH,
        tasks=(
            Task(
                "Draw the landing page",
                "susan",
                REVIEW,
                HIGH,
                7,
                (
                    ("susan", "First draft is up. @grace, is the tone right?"),
                    ("grace", "It is. Please make the search the first thing one sees."),
                ),
            ),
            Task("Write the booking API", "alan", DOING, URGENT, 10),
            Task(
                "Measure the old site",
                "barbara",
                DONE,
                due_in=2,
                comments=(("barbara", "Median page load is 4.1 s. That is our number to beat."),),
            ),
            Task("Translate to Welsh and French", due_in=40, priority=LOW),
            Task(
                "Agree on the cookie text",
                "grace",
                comments=(("tim", "Our lawyers would like a word first."),),
            ),
            Task("Load test before the timetable change", "alan", priority=HIGH, due_in=60),
            Task("Set up error pages that help", "susan"),
        ),
        documents=(
            Document(
                "Launch plan",
                (
                    ("goal", "A booking in under a minute, on any phone, in three languages."),
                    ("when", "Two weeks before the summer timetable, on a Tuesday morning."),
                    ("risks", "The old search is slow to answer. The cookie text is not agreed."),
                    ("who_decides", "Grace, after asking Northwind."),
                ),
            ),
        ),
    ),
    Project(
        "archive",
        "Digital archive",
        "Forty thousand photographs, catalogued and searchable.",
        manager="edsger",
        contributors=("donald", "radia", "susan"),
        client="Harbour Museum",
        tasks=(
            Task("Choose the catalogue format", "donald", DONE, due_in=1),
            Task(
                "Scan the first thousand",
                "radia",
                DOING,
                due_in=14,
                comments=(
                    ("radia", "412 so far; glass plates take three times as long."),
                    ("edsger", "@radia take the time. Broken plates cannot be scanned again."),
                ),
            ),
            Task("Search by place and year", "donald", DOING, HIGH),
            Task("Design the reading room", "susan", due_in=30),
            Task("Plan for the day the disk fails", "radia", priority=URGENT, due_in=5),
            Task("Ask visitors what they look for", due_in=35, priority=LOW),
        ),
        documents=(
            Document(
                "How we catalogue",
                (
                    ("format", "One record a photograph: place, year, plate number, who scanned."),
                    ("glass_plates", "Two people, gloves, never more than four in the room."),
                ),
            ),
        ),
    ),
    Project(
        "loyalty",
        "Loyalty cards",
        "A card that works offline, for twelve shops.",
        manager="grace",
        contributors=("alan", "radia"),
        viewers=("tim",),
        client="Blue Kettle Coffee",
        tasks=(
            Task("Count stamps without a network", "radia", DOING, HIGH, 9),
            Task(
                "Decide what a free coffee is",
                "grace",
                REVIEW,
                comments=(("alan", "Any size? @grace, the till needs a rule."),),
            ),
            Task("Print the first hundred cards", due_in=28),
            Task("Teach the till to read cards", "alan", due_in=18),
            Task("Invite two shops to a trial", "grace", due_in=25),
        ),
    ),
    Project(
        "house",
        "Our own house",
        "What keeps the place running.",
        manager="edsger",
        contributors=("ada", "barbara", "donald", "susan"),
        tasks=(
            Task("Move the backups to another town", "barbara", DOING, URGENT, 6),
            Task("Write down how we review", "donald", REVIEW, due_in=12),
            Task("Hire a second designer", "susan", due_in=45),
            Task(
                "Replace the coffee machine",
                "ada",
                priority=URGENT,
                due_in=1,
                comments=(
                    ("donald", "It has made tea since Tuesday."),
                    ("ada", "Ordered. @donald, the old one is yours to take apart."),
                ),
            ),
            Task("Label the meeting rooms", due_in=50, priority=LOW),
            Task("Read the fire safety rules", "edsger", DONE, due_in=3),
        ),
    ),
    Project(
        "tour",
        "The tour",
        "Where `formula tour` shows what happens.",
        manager="tour-max",
        contributors=("tour-ann", "tour-bob"),
    ),
)
