"""The indexes of the file tables, each with the query it serves."""

from functools import partial

from projections.contents import needed_keys, same_content, used
from projections.files import deleted_files, get_file, list_files, versions_of
from projections.served import AT, ID, Served, of

FILES = (
    Served("files_pkey", "a file", partial(get_file, file=ID)),
    Served("files_created_at_id_idx", "files, newest first", list_files),
    Served("files_project_created_at_id_idx", "of a project", partial(list_files, project=ID)),
    Served("files_deleted_at_id_idx", "deleted ones", partial(deleted_files, before=AT)),
    Served("files_to_tsvector_idx", "by words", partial(list_files, search="c7777")),
    Served("file_versions_pkey", "what a file was", partial(versions_of, file=ID)),
    Served(
        "file_versions_project_sha256_idx",
        "the same bytes",
        partial(same_content, project=ID, sha256="sha256 7", size=7),
    ),
    Served("file_versions_person_idx", "of a person", partial(used, project=ID, person=ID)),
    Served("file_versions_key_idx", "whose bytes", partial(needed_keys, keys=["key 7"])),
    Served("file_renditions_pkey", "made of a file", of("file_renditions", "file", "number")),
    Served("file_renditions_key_idx", "of which file", partial(needed_keys, keys=["key 7"])),
)
