mod forge;
mod forged;
mod genuine;
mod logout;
mod metadata;
mod travel;
