//! Registry state to what each gateway must hold; explain
