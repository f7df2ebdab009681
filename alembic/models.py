"""The tables of a tool library: members borrow tools and reserve the ones that are out."""

import datetime as dt

from sqlalchemy import (
    CheckConstraint,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship


class Base(DeclarativeBase):
    """Gives every constraint a name, so that a later migration can drop or change it."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Member(Base):
    """Somebody who may borrow; a member who leaves takes loans and reservations along."""

    __tablename__ = "members"
    __table_args__ = (PrimaryKeyConstraint("id"), UniqueConstraint("email"))

    id: Mapped[int] = mapped_column()
    given_name: Mapped[str] = mapped_column(String(80))
    family_name: Mapped[str] = mapped_column(String(80))
    email: Mapped[str] = mapped_column(String(254))
    phone: Mapped[str | None] = mapped_column(String(40))
    joined_on: Mapped[dt.date] = mapped_column()

    loans: Mapped[list["Loan"]] = relationship(back_populates="member", passive_deletes=True)
    reservations: Mapped[list["Reservation"]] = relationship(
        back_populates="member", passive_deletes=True
    )


class Tool(Base):
    """A thing on a shelf."""

    __tablename__ = "tools"
    __table_args__ = (PrimaryKeyConstraint("id"),)

    id: Mapped[int] = mapped_column()
    name: Mapped[str] = mapped_column(String(120))
    category: Mapped[str] = mapped_column(String(60))
    shelf: Mapped[str] = mapped_column(String(10))
    purchased_on: Mapped[dt.date | None] = mapped_column()
    price_cents: Mapped[int | None] = mapped_column()

    loans: Mapped[list["Loan"]] = relationship(back_populates="tool")
    reservations: Mapped[list["Reservation"]] = relationship(
        back_populates="tool", passive_deletes=True
    )


class Loan(Base):
    """A tool in a member's hands; `returned_on` is empty while it is out."""

    __tablename__ = "loans"
    __table_args__ = (
        PrimaryKeyConstraint("id"),
        # A tool that has been lent stays in the books: no ON DELETE here.
        ForeignKeyConstraint(["tool_id"], ["tools.id"]),
        ForeignKeyConstraint(["member_id"], ["members.id"], ondelete="CASCADE"),
        CheckConstraint("due_on >= lent_on", name="due_after_lent"),
        Index(None, "member_id"),
        Index("ix_loans_due_on_open", "due_on", sqlite_where=text("returned_on IS NULL")),
    )

    id: Mapped[int] = mapped_column()
    tool_id: Mapped[int] = mapped_column()
    member_id: Mapped[int] = mapped_column()
    lent_on: Mapped[dt.date] = mapped_column()
    due_on: Mapped[dt.date] = mapped_column()
    returned_on: Mapped[dt.date | None] = mapped_column()
    extensions: Mapped[int] = mapped_column(server_default=text("0"))

    tool: Mapped[Tool] = relationship(back_populates="loans")
    member: Mapped[Member] = relationship(back_populates="loans")


class Reservation(Base):
    """A member's wish for a tool from a certain day on."""

    __tablename__ = "reservations"
    __table_args__ = (
        PrimaryKeyConstraint("id"),
        ForeignKeyConstraint(["tool_id"], ["tools.id"], ondelete="CASCADE"),
        ForeignKeyConstraint(["member_id"], ["members.id"], ondelete="CASCADE"),
    )

    id: Mapped[int] = mapped_column()
    tool_id: Mapped[int] = mapped_column()
    member_id: Mapped[int] = mapped_column()
    wanted_from: Mapped[dt.date] = mapped_column()
    created_at: Mapped[dt.datetime] = mapped_column(server_default=func.now())

    tool: Mapped[Tool] = relationship(back_populates="reservations")
    member: Mapped[Member] = relationship(back_populates="reservations")
