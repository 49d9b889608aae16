-- What a repository is called at present, by the number that it keeps when it is renamed or transferred.
CREATE TABLE repositories (
    id bigint PRIMARY KEY,
    full_name text NOT NULL
);
